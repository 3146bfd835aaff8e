// Shared directories in booted guests: one suite of behaviours for every way in which a directory gets there.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { chmod, link, mkdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { after, before, describe, test, type TestContext } from "node:test";
import { promisify } from "node:util";
import { KelpieError, realPlatform, type TemporaryDirectory } from "@kelpie/platform";
import { findEntry, removeSandbox } from "../lifecycle/registry.ts";
import { Sandbox } from "../lifecycle/sandbox.ts";
import { exitCodeOf } from "../run/exit-code.ts";
import { findTestImage } from "../testing/test-image.ts";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage } from "../vmm/vmm.ts";
import { openShares } from "./open-shares.ts";
import type { Share, Transport } from "./share.ts";
import { findVirtioFsDaemon } from "./virtiofs-daemon.ts";

const { files } = realPlatform;
const run = promisify(execFile);
const never = new AbortController().signal;
const found = await findTestImage("amd64");
const daemon = await findVirtioFsDaemon(realPlatform);
const manyFiles = 1000;
const largeBytes = 24 << 20;

interface Booted {
  readonly sandbox: Sandbox;
  /** Runs a script in the workspace; returns all it wrote. */
  readonly sh: (script: string) => Promise<string>;
}

async function boot(
  home: string,
  image: BootImage,
  shares: readonly Share[],
  transport: Transport,
): Promise<Booted> {
  const platform = realPlatform;
  const vmm = await openQemu(platform, { architecture: image.architecture, home, signal: never });
  const attachments = await openShares({ platform, home, shares, transport, signal: never });
  const sandbox = await Sandbox.create({
    ...{ platform, vmm, image, home, memoryMiB: 256, bootTimeoutMs: 120_000, attachments },
  });
  const sh = async (script: string): Promise<string> => {
    const { stdout, stderr } = await sandbox
      .exec({ argv: ["/bin/sh", "-c", `cd /workspace; ${script}`] })
      .collect();
    return Buffer.from(stdout).toString() + Buffer.from(stderr).toString();
  };
  return { sandbox, sh };
}

/** As {@link boot}; where the guest's kernel has no such file system the test is skipped. */
async function bootOrSkip(
  context: TestContext,
  ...how: Parameters<typeof boot>
): Promise<Booted | undefined> {
  try {
    return await boot(...how);
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "unsupported") throw error;
    context.skip(error.message);
    return undefined;
  }
}

/** What is in the directory before. */
async function fill(root: string): Promise<void> {
  await writeFile(`${root}/kept`, "kept\n");
  await writeFile(`${root}/old`, "old\n");
  await writeFile(`${root}/gone`, "gone\n");
  await writeFile(`${root}/script`, "#!/bin/sh\necho ran\n");
  await chmod(`${root}/script`, 0o750);
  await mkdir(`${root}/tree/deep`, { recursive: true });
  await writeFile(`${root}/tree/deep/leaf`, "leaf\n");
  await symlink("tree/deep/leaf", `${root}/link`);
  await symlink("/etc", `${root}/outward`);
  await link(`${root}/kept`, `${root}/twin`);
}

for (const transport of ["disk", "virtiofs", "9p"] as const) {
  const why = transport === "virtiofs" && daemon === undefined ? "virtiofsd is not installed" : false;
  const skip = "skip" in found ? found.skip : why;
  describe(`a directory shared by ${transport}`, { skip, timeout: 300_000 }, () => {
    if ("image" in found) describeShared(found.image, transport);
  });
}

function describeShared(image: BootImage, transport: Transport): void {
  const isLive = transport !== "disk";
  let home: TemporaryDirectory;
  let root: string;
  before(async () => {
    home = await files.temporaryDirectory("kelpie-share-");
    root = `${home.path}/work`;
    await mkdir(root);
    await fill(root);
  });
  after(() => home[Symbol.asyncDispose]());

  test("is what the host has, and what the guest does to it is on the host in the end", async (t) => {
    const shares = [{ source: root, target: "/workspace", readOnly: false }];
    const booted = await bootOrSkip(t, home.path, image, shares, transport);
    if (booted === undefined) return;
    const { sandbox, sh } = booted;
    await using _ = sandbox;
    const expect = async (what: string, script: string, expected: string): Promise<void> => {
      assert.equal(await sh(script), expected, what);
    };
    await expect("content", "cat kept tree/deep/leaf link", "kept\nleaf\nleaf\n");
    await expect("modes, owner", "stat -c '%a %u' script kept", "750 0\n644 0\n");
    await expect("it can be executed", "./script", "ran\n");
    await expect(
      "symlinks are the guest's to follow",
      "cmp outward/hostname /etc/hostname && echo same",
      "same\n",
    );
    await expect("hard links", "stat -c %h kept; [ kept -ef twin ] && echo same", "2\nsame\n");

    await expect(
      "create",
      "echo new > new && mkdir -p a/b && echo deep > a/b/c && cat new a/b/c",
      "new\ndeep\n",
    );
    await expect("append", "echo more >> old; cat old", "old\nmore\n");
    await expect(
      "rename over",
      "echo x > x && mv x y && mv y new2 && cat new2 && ls x y 2>&1 | wc -l",
      "x\n2\n",
    );
    await expect("unlink", "rm gone && ls gone 2>/dev/null | wc -l", "0\n");
    await expect("unlinked while open", "exec 3<new2; rm new2; cat <&3", "x\n");
    await expect("remove a tree", "rm -r tree && ls tree 2>/dev/null | wc -l", "0\n");
    await expect("modes", "echo k > secret && chmod 600 secret && stat -c %a secret", "600\n");
    await expect("a symlink", "ln -s new made && readlink made", "new\n");
    await expect("a hard link", "ln new new-twin && [ new -ef new-twin ] && echo same", "same\n");
    await expect("times", "touch -d @1000000000 new && stat -c %Y new", "1000000000\n");
    await expect(
      "a large file",
      `dd if=/dev/urandom of=large bs=1M count=${largeBytes >> 20} 2>/dev/null; sha256sum large > large.sum; sha256sum -c large.sum`,
      "large: OK\n",
    );
    await expect(
      "a sparse file",
      "truncate -s 1G sparse && echo end >> sparse && stat -c %s sparse",
      "1073741828\n",
    );
    await expect(
      "many files",
      `mkdir many && cd many && i=0; while [ $i -lt ${manyFiles} ]; do echo $i > f$i; i=$((i+1)); done; ls | wc -l`,
      `${manyFiles}\n`,
    );
    if (isLive) {
      await writeFile(`${root}/from-host`, "written while it runs\n");
      await expect("what the host writes", "cat from-host", "written while it runs\n");
      assert.equal(await readFile(`${root}/a/b/c`, "utf8"), "deep\n");
    } else {
      await writeFile(`${root}/old`, "the host's own\n");
      await writeFile(`${root}/unseen`, "");
    }

    const reports = await sandbox.finish();
    const text = (path: string): Promise<string> => readFile(`${root}/${path}`, "utf8");
    assert.deepEqual(await Promise.all([text("new"), text("a/b/c"), text("kept")]), [
      "new\n",
      "deep\n",
      "kept\n",
    ]);
    if (isLive) {
      assert.deepEqual(reports, []);
      assert.equal(await text("old"), "old\nmore\n");
    } else {
      assert.equal(reports.length, 1);
      assert.match(reports[0] ?? "", /old was changed on the host meanwhile.*old\.from-sandbox/);
      assert.deepEqual(
        [await text("old"), await text("old.from-sandbox")],
        ["the host's own\n", "old\nmore\n"],
      );
      assert.equal(await text("unseen"), "");
    }
    for (const gone of ["gone", "tree", "x", "y"])
      assert.equal(await files.lstat(`${root}/${gone}`), undefined, gone);
    assert.equal(await readlink(`${root}/made`), "new");
    assert.equal((await stat(`${root}/secret`)).mode & 0o777, 0o600);
    assert.equal((await stat(`${root}/new`)).mtimeMs, 1_000_000_000_000);
    assert.equal((await stat(`${root}/new`)).ino, (await stat(`${root}/new-twin`)).ino);
    assert.equal((await stat(`${root}/new`)).uid, process.getuid?.());
    assert.equal((await files.list(`${root}/many`)).length, manyFiles);
    assert.equal((await run("sha256sum", ["-c", "large.sum"], { cwd: root })).stdout, "large: OK\n");
    const sparse = await stat(`${root}/sparse`);
    assert.equal(sparse.size, 1073741828);
    assert.ok(sparse.blocks * 512 < 1 << 20, "holes stay holes");
  });

  test("that is read only stays as it is, whatever the guest's root tries", async (t) => {
    const readOnly = `${home.path}/read-only`;
    await mkdir(readOnly);
    await writeFile(`${readOnly}/note`, "as it is\n");
    const shares = [{ source: readOnly, target: "/workspace", readOnly: true }];
    const booted = await bootOrSkip(t, home.path, image, shares, transport);
    if (booted === undefined) return;
    await using sandbox = booted.sandbox;
    const tried = await booted.sh(
      "cat note; echo no > note; mount -o remount,rw /workspace; echo no > note; echo no > more",
    );
    assert.match(tried, /^as it is\n.*Read-only file system/s);
    assert.deepEqual(await sandbox.finish(), []);
    assert.equal(await readFile(`${readOnly}/note`, "utf8"), "as it is\n");
    assert.deepEqual(await files.list(readOnly), ["note"]);
  });
}

const skipKept = "skip" in found ? found.skip : false;
test("a disk of a sandbox that lives on is brought home by whoever opens it, as often as wanted", {
  skip: skipKept,
  timeout: 300_000,
}, async () => {
  if (!("image" in found)) return;
  await using home = await files.temporaryDirectory("kelpie-share-");
  const platform = realPlatform;
  const root = `${home.path}/work`;
  await mkdir(root);
  await fill(root);
  const { image } = found;
  const vmm = await openQemu(platform, { architecture: image.architecture, home: home.path, signal: never });
  const shares = [{ source: root, target: "/workspace", readOnly: false }];
  const attachments = await openShares({
    platform,
    home: home.path,
    shares,
    transport: "disk",
    signal: never,
  });
  const made = await Sandbox.create({
    ...{ platform, vmm, image, home: home.path, memoryMiB: 256, bootTimeoutMs: 120_000, start: "cold" },
    ...{ attachments, keep: { removeAtEnd: true } },
  });
  await made[Symbol.asyncDispose]();
  const opened = await Sandbox.open(made.id, { platform, home: home.path });
  try {
    const sh = (script: string) =>
      opened.exec({ argv: ["/bin/sh", "-c", `cd /workspace; ${script}`] }).collect();
    await sh("echo first > new; rm gone");
    assert.deepEqual(await opened.finish(), []);
    assert.equal(await readFile(`${root}/new`, "utf8"), "first\n");
    await sh("echo second >> new; echo kept again >> kept");
    assert.deepEqual(await opened.finish(), [], "what came home before is no conflict");
    assert.equal(await readFile(`${root}/new`, "utf8"), "first\nsecond\n");
    assert.equal(await readFile(`${root}/kept`, "utf8"), "kept\nkept again\n");
    assert.equal(await files.lstat(`${root}/gone`), undefined);
  } finally {
    await opened.shutdown();
  }
});

test("a virtiofsd that is killed takes only the directory with it: what asks for it waits, and all else goes on", {
  skip: skipKept !== false ? skipKept : daemon === undefined ? "virtiofsd is not installed" : false,
  timeout: 300_000,
}, async () => {
  if (!("image" in found)) return;
  await using home = await files.temporaryDirectory("kelpie-share-");
  const platform = realPlatform;
  const { image } = found;
  await mkdir(`${home.path}/work`);
  const shares = [{ source: `${home.path}/work`, target: "/workspace", readOnly: false }];
  const vmm = await openQemu(platform, { architecture: image.architecture, home: home.path, signal: never });
  const transport = "virtiofs";
  const attachments = await openShares({ platform, home: home.path, shares, transport, signal: never });
  const made = await Sandbox.create({
    ...{ platform, vmm, image, home: home.path, memoryMiB: 256, bootTimeoutMs: 120_000 },
    ...{ attachments, keep: {} },
  });
  await made[Symbol.asyncDispose]();
  const processes = async (): Promise<string[]> => {
    const { stdout } = await run("ps", ["-eo", "pid,args"]);
    return stdout.split("\n").filter((line) => line.includes(`${made.id}/`));
  };
  for (const line of await processes())
    if (/^ *\d+ \S*virtiofsd /.test(line)) process.kill(Number.parseInt(line, 10), "SIGKILL");
  const opened = await Sandbox.open(made.id, { platform, home: home.path });
  const sh = async (script: string, timeoutMs: number): Promise<number> =>
    exitCodeOf((await opened.exec({ argv: ["/bin/sh", "-c", script], timeoutMs }).collect()).end);
  assert.equal(await sh("ls /workspace", 3000), 124);
  assert.equal(await sh("true", 60_000), 0);
  assert.equal((await findEntry(platform, home.path, made.id)).state.kind, "running");
  await opened[Symbol.asyncDispose]();
  await removeSandbox(platform, await findEntry(platform, home.path, made.id));
  assert.deepEqual(await processes(), []);
  assert.deepEqual(await files.list(`${home.path}/sandboxes`), []);
});
