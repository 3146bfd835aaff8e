// A directory on a disk and back: what changed on the disk, by debugfs of e2fsprogs, is carried home and nothing else is.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import {
  chmod,
  link,
  lstat,
  mkdir,
  readFile,
  readlink,
  rm,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { test } from "node:test";
import { promisify } from "node:util";
import { FileTree, textSource, type TreeNode } from "@kelpie/formats";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { applyChanges } from "./apply-changes.ts";
import { changesOf } from "./changes.ts";
import { readDisk, writeDisk } from "./disk-image.ts";
import { type HostTree, readHostTree } from "./host-tree.ts";

const { files } = realPlatform;
const run = promisify(execFile);
const never = new AbortController().signal;
const limits = { maxEntries: 1000, maxBytes: 1 << 20 };
const skip =
  (await realPlatform.processes.find("debugfs")) === undefined ? "debugfs is not installed" : false;
const fails = (code: KelpieErrorCode) => (error: unknown) => KelpieError.is(error) && error.code === code;

interface Shared {
  readonly root: string;
  readonly disk: string;
  readonly before: HostTree;
  /** Changes the disk as a guest would. */
  readonly guest: (...commands: string[]) => Promise<void>;
  /** Brings everything home; returns what is reported. */
  readonly bringHome: () => Promise<readonly string[]>;
}

async function withShared(work: (shared: Shared) => Promise<void>): Promise<void> {
  await using home = await files.temporaryDirectory("kelpie-disk-");
  const root = `${home.path}/work`;
  const disk = `${home.path}/disk`;
  await mkdir(`${root}/sub/empty`, { recursive: true });
  await writeFile(`${root}/one`, "one\n");
  await writeFile(`${root}/sub/two`, "two\n");
  await link(`${root}/one`, `${root}/also-one`);
  await symlink("sub/two", `${root}/link`);
  await chmod(`${root}/sub/two`, 0o640);
  await utimes(`${root}/one`, 1000, 1000.5);
  const before = await readHostTree(realPlatform, root, limits, never);
  await writeDisk(realPlatform, disk, before.tree, never);
  await work({
    root,
    disk,
    before,
    guest: async (...commands) => {
      await writeFile(`${home.path}/commands`, `cd tree\n${commands.join("\n")}\n`, "latin1");
      await writeFile(`${home.path}/text`, "the guest's\n");
      const { stderr } = await run("debugfs", ["-w", "-f", `${home.path}/commands`, disk], {
        cwd: home.path,
      });
      assert.doesNotMatch(stderr.replace(/^debugfs .*\n/, ""), /\S/);
    },
    bringHome: async () => {
      const { changes, skipped } = changesOf(await readDisk(realPlatform, disk, never), before.entries);
      const { conflicts } = await applyChanges(realPlatform, root, changes, never);
      return [...conflicts, ...skipped];
    },
  });
}

test("what has no name or no target in UTF-8 stays on the disk, is told, and takes nothing else with it", {
  skip,
}, async () => {
  await withShared(async ({ root, guest, bringHome }) => {
    await guest("write text new", "write text caf\xe9", "rm link", "symlink link nowhere\xe9");
    const told = await bringHome();
    assert.match(told.join("\n"), /"caf\ufffd": its name is not UTF-8/);
    assert.match(told.join("\n"), /"link": The target of symlink \d+ is not UTF-8/);
    assert.equal(told.length, 2);
    assert.equal(await readFile(`${root}/new`, "utf8"), "the guest's\n");
    assert.equal(await readlink(`${root}/link`), "sub/two", "the host's stays");
  });
});

test("a disk that nobody has touched changes nothing, and is sound", { skip }, async () => {
  await withShared(async ({ root, disk, before }) => {
    await run("e2fsck", ["-fn", disk]);
    const { changes, skipped } = changesOf(await readDisk(realPlatform, disk, never), before.entries);
    assert.deepEqual([changes, skipped], [[], []]);
    assert.equal((await lstat(`${root}/one`)).mtimeMs, 1000500);
  });
});

test("what is written, made and removed on the disk is so on the host", { skip }, async () => {
  await withShared(async ({ root, guest, bringHome }) => {
    await guest(
      "write text sub/new",
      "mkdir sub/made",
      "write text sub/made/deep",
      "symlink sub/way ../one",
      "rm sub/two",
      "rmdir sub/empty",
      "sif one mode 0104755",
      "sif one ctime 20300101000000",
    );
    assert.deepEqual(await bringHome(), []);
    assert.equal(await readFile(`${root}/sub/new`, "utf8"), "the guest's\n");
    assert.equal(await readFile(`${root}/sub/made/deep`, "utf8"), "the guest's\n");
    assert.equal(await readlink(`${root}/sub/way`), "../one");
    assert.deepEqual(await files.list(`${root}/sub`), ["made", "new", "way"]);
    assert.equal((await lstat(`${root}/one`)).mode & 0o7777, 0o755, "no setuid bit comes from a guest");
    assert.equal((await lstat(`${root}/one`)).ino, (await lstat(`${root}/also-one`)).ino);
  });
});

test("where both have changed a file, the host's stays and the guest's stands beside it", {
  skip,
}, async () => {
  await withShared(async ({ root, guest, bringHome }) => {
    await guest("rm sub/two", "write text sub/two", "rm link", "write text fresh", "write text same");
    await writeFile(`${root}/sub/two`, "the host's\n");
    await rm(`${root}/link`);
    await writeFile(`${root}/link`, "the host's\n");
    await writeFile(`${root}/fresh`, "the host's\n");
    await writeFile(`${root}/same`, "the guest's\n");
    const reports = await bringHome();
    assert.deepEqual(await bringHome(), reports, "and once, however often it is brought home");
    assert.equal(reports.length, 3);
    assert.match(
      reports.join("\n"),
      /sub\/two was changed.*link was removed in the sandbox|fresh was changed/s,
    );
    for (const path of ["sub/two", "link", "fresh"])
      assert.equal(await readFile(`${root}/${path}`, "utf8"), "the host's\n");
    assert.deepEqual(await files.list(`${root}/sub`), ["empty", "two", "two.from-sandbox"]);
    for (const path of ["sub/two", "fresh"])
      assert.equal(await readFile(`${root}/${path}.from-sandbox`, "utf8"), "the guest's\n");
  });
});

test("a conflict of one file is not counted for those that are carried home beside it", {
  skip,
}, async () => {
  await withShared(async ({ root, disk, before, guest }) => {
    const names = Array.from({ length: 12 }, (_, index) => `new-${index}`);
    await guest("rm sub/two", "write text sub/two", ...names.map((name) => `write text ${name}`));
    await writeFile(`${root}/sub/two`, "the host's\n");
    const { changes } = changesOf(await readDisk(realPlatform, disk, never), before.entries);
    const { done, conflicts } = await applyChanges(realPlatform, root, changes, never);
    assert.equal(conflicts.length, 1);
    const carried = changes.map(({ path }) => path).filter((path) => path !== "sub/two");
    assert.deepEqual(done.toSorted(), carried.toSorted());
    assert.ok(names.every((name) => done.includes(name)));
  });
});

test("a directory that the host has put something into is not removed with what it holds", {
  skip,
}, async () => {
  await withShared(async ({ root, guest, bringHome }) => {
    await guest("rm sub/two", "rmdir sub/empty", "rmdir sub");
    await writeFile(`${root}/sub/host`, "new\n");
    assert.deepEqual(await bringHome(), [
      "sub was removed in the sandbox and changed on the host: it is kept",
    ]);
    assert.deepEqual(await files.list(`${root}/sub`), ["host"]);
  });
});

test("nothing is written through a symlink, neither the guest's own nor one that the host has put there", {
  skip,
}, async () => {
  await withShared(async ({ root, guest, bringHome }) => {
    await mkdir(`${root}/../outside`);
    await writeFile(`${root}/../outside/two`, "outside\n");
    await guest(
      "rm sub/two",
      "write text sub/two",
      "symlink out ../outside",
      "write text new",
      "rm also-one",
      "symlink also-one /etc/passwd",
    );
    await rm(`${root}/sub`, { recursive: true });
    await symlink("../outside", `${root}/sub`);
    const reports = await bringHome();
    assert.match(reports.join("\n"), /sub\/two leads elsewhere/);
    assert.equal(await readFile(`${root}/../outside/two`, "utf8"), "outside\n");
    assert.deepEqual(await files.list(`${root}/../outside`), ["two"]);
    assert.equal(await readlink(`${root}/also-one`), "/etc/passwd");
    assert.equal(await readFile(`${root}/new`, "utf8"), "the guest's\n");
  });
});

test("a file that replaces a directory, and a directory that replaces a file, are carried over", {
  skip,
}, async () => {
  await withShared(async ({ root, guest, bringHome }) => {
    await guest(
      "rmdir sub/empty",
      "write text sub/empty",
      "rm sub/two",
      "mkdir sub/two",
      "write text sub/two/in",
    );
    assert.deepEqual(await bringHome(), []);
    assert.equal(await readFile(`${root}/sub/empty`, "utf8"), "the guest's\n");
    assert.equal(await readFile(`${root}/sub/two/in`, "utf8"), "the guest's\n");
  });
});

test("devices, sockets and pipes of the guest stay in the guest", { skip }, async () => {
  await withShared(async ({ root, guest, bringHome }) => {
    await guest("mknod pipe p", "mknod null c 1 3");
    assert.deepEqual(await bringHome(), ["null is a character-device", "pipe is a fifo"]);
    assert.equal(await files.lstat(`${root}/null`), undefined);
  });
});

test("files that together claim more than the disk has room for are refused before anything is written", () => {
  const node = (): TreeNode => ({
    ...{ kind: "file", mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 0 },
    content: { ...textSource(""), sizeBytes: 600 },
  });
  const tree = new FileTree();
  for (const name of ["a", "b"]) tree.put(`tree/${name}`, node());
  const frame = {
    ...{ label: "", uuid: "", freeBlocks: 0, inodes: 2, freeInodes: 0 },
    ...{ changeTimes: new Map(), leftOut: new Map() },
  };
  assert.throws(
    () => changesOf({ ...frame, tree, blocks: 1, blockBytes: 1024 }, new Map()),
    fails("malformed"),
  );
  assert.equal(changesOf({ ...frame, tree, blocks: 2, blockBytes: 1024 }, new Map()).changes.length, 2);
});

test("a directory that is too large for a disk is refused, saying what else there is", async () => {
  await using home = await files.temporaryDirectory("kelpie-disk-");
  for (const name of ["a", "b", "c"]) await writeFile(`${home.path}/${name}`, "12345");
  for (const small of [
    { maxEntries: 2, maxBytes: 100 },
    { maxEntries: 9, maxBytes: 14 },
  ]) {
    await assert.rejects(readHostTree(realPlatform, home.path, small, never), fails("limit-exceeded"));
  }
});
