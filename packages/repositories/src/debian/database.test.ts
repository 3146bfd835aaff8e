// Merged packages and dpkg's database, judged by dpkg.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { collect, type FileTree } from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { debianDatabase } from "./database.ts";
import { unpackDeb } from "./deb-archive.ts";
import { mergeDebianPackages } from "./merge.ts";
import type { DebianArchive } from "./repository.ts";
import { type DebSpec, type MadeDeb, makeDeb } from "./testing/make-deb.ts";
import { smallWorld } from "./testing/world.ts";
import { writeTree } from "./testing/write-tree.ts";

const scratch = mkdtempSync(join(tmpdir(), "kelpie-dpkg-"));
after(() => rmSync(scratch, { recursive: true, force: true }));
const lacksDpkg = spawnSync("dpkg", ["--version"]).error === undefined ? false : "dpkg is not installed";

async function archiveOf({ spec, bytes, sha256 }: MadeDeb): Promise<DebianArchive> {
  const { name, version } = spec;
  const path = join(scratch, `${sha256}.deb`);
  writeFileSync(path, bytes);
  return await unpackDeb(
    realPlatform,
    path,
    { directory: scratch, sha256 },
    {
      ecosystem: "debian",
      name,
      version,
      architecture: "amd64",
      location: path,
      sizeBytes: bytes.length,
      digest: `sha256:${sha256}`,
    },
  );
}

async function archivesOf(...specs: readonly DebSpec[]): Promise<DebianArchive[]> {
  return await Promise.all(specs.map(async (spec) => archiveOf(await makeDeb(spec))));
}

async function installed(archives: readonly DebianArchive[]): Promise<FileTree> {
  const tree = mergeDebianPackages(archives);
  for (const { path, node } of await debianDatabase(archives)) tree.put(path, node);
  return tree;
}

async function textAt(tree: FileTree, path: string): Promise<string> {
  const node = tree.get(path);
  assert.ok(node?.kind === "file", path);
  return new TextDecoder().decode(await collect(node.content.open(), 1 << 20));
}

function dpkg(root: string, ...args: readonly string[]): string {
  return execFileSync("dpkg", [`--root=${root}`, ...args], {
    encoding: "utf8",
    env: { ...process.env, LC_ALL: "C" },
  });
}

test("dpkg finds every package installed, whole and in order", { skip: lacksDpkg }, async () => {
  const root = join(scratch, "whole");
  await writeTree(await installed(await Promise.all((await smallWorld()).map(archiveOf))), root);
  const lines = dpkg(root, "-l")
    .split("\n")
    .filter((line) => line.startsWith("ii"));
  assert.deepEqual(
    lines.map((line) => line.split(/\s+/).slice(1, 4)),
    [
      ["base-files", "12", "amd64"],
      ["libc6:amd64", "2.36-9", "amd64"],
      ["sh", "1:1.0-1", "amd64"],
      ["tool", "0.1", "all"],
    ],
  );
  assert.equal(dpkg(root, "--audit"), "");
  assert.equal(dpkg(root, "-S", "/bin/sh"), "sh: /bin/sh\n");
  assert.equal(dpkg(root, "-L", "tool"), "/usr\n/usr/bin\n/usr/bin/tool\n/etc\n/etc/tool.conf\n");
  const digest = execFileSync("md5sum", { input: "setting\n", encoding: "utf8" }).slice(0, 32);
  assert.ok(dpkg(root, "-s", "tool").includes(`Conffiles:\n /etc/tool.conf ${digest}\n`));
});

test("dpkg --verify finds nothing to say, and says what was changed since", { skip: lacksDpkg }, async () => {
  const root = join(scratch, "verified");
  const sum = execFileSync("md5sum", { input: "shell\n", encoding: "utf8" }).slice(0, 32);
  const [sh, tool] = await archivesOf(
    { name: "sh", version: "1", files: { "bin/sh": "shell\n" }, control: { md5sums: `${sum}  bin/sh\n` } },
    {
      name: "tool",
      version: "1",
      files: { "usr/bin/tool": "tool\n", "etc/c": "c\n" },
      control: { conffiles: "/etc/c\n" },
    },
  );
  assert.ok(sh !== undefined && tool !== undefined);
  await writeTree(await installed([sh, tool]), root);
  assert.equal(dpkg(root, "--verify"), "");
  appendFileSync(join(root, "usr/bin/sh"), "changed");
  appendFileSync(join(root, "etc/c"), "changed");
  unlinkSync(join(root, "usr/bin/tool"));
  const { stdout } = spawnSync("dpkg", [`--root=${root}`, "--verify"], { encoding: "utf8" });
  assert.deepEqual(
    stdout.trim().split("\n").sort(),
    ["??5?????? c /etc/c", "??5??????   /bin/sh", "missing     /usr/bin/tool"].sort(),
  );
});

test("the database is the one that dpkg writes when it installs the same packages", {
  skip: lacksDpkg,
}, async () => {
  const theirs = join(scratch, "theirs");
  for (const directory of ["updates", "info", "triggers"])
    mkdirSync(join(theirs, "var/lib/dpkg", directory), { recursive: true });
  for (const directory of ["usr/bin", "usr/lib", "usr/lib64"])
    mkdirSync(join(theirs, directory), { recursive: true });
  writeFileSync(join(theirs, "var/lib/dpkg/status"), "");
  const debs = (await smallWorld()).filter(
    ({ spec }) => spec.control?.["postinst"] === undefined && spec.name !== "sh",
  );
  const paths = debs.map(({ bytes, sha256 }) => {
    const path = join(scratch, `theirs-${sha256}.deb`);
    writeFileSync(path, bytes);
    return path;
  });
  const force = [
    "--force-not-root",
    "--force-bad-path",
    "--force-depends",
    "--force-architecture",
    "--log=/dev/null",
  ];
  execFileSync("dpkg", [`--root=${theirs}`, ...force, "-i", ...paths], { stdio: "ignore" });
  const ours = await installed(await Promise.all(debs.map(archiveOf)));
  for (const name of [
    "base-files.list",
    "base-files.conffiles",
    "tool.list",
    "tool.md5sums",
    "tool.triggers",
  ])
    assert.equal(
      await textAt(ours, `var/lib/dpkg/info/${name}`),
      readFileSync(join(theirs, "var/lib/dpkg/info", name), "utf8"),
      name,
    );
  for (const name of ["File", "tool-trigger"])
    assert.equal(
      await textAt(ours, `var/lib/dpkg/triggers/${name}`),
      readFileSync(join(theirs, "var/lib/dpkg/triggers", name), "utf8"),
      name,
    );
  const root = join(scratch, "ours");
  await writeTree(ours, root);
  for (const name of ["base-files", "tool"]) assert.equal(dpkg(root, "-s", name), dpkg(theirs, "-s", name));
});

test("dpkg in the guest can go on from the database: it removes and upgrades", {
  skip: lacksDpkg,
}, async () => {
  const root = join(scratch, "later");
  const [tool, other] = await archivesOf(
    { name: "tool", version: "1", files: { "usr/bin/tool": "1\n" } },
    { name: "other", version: "1", files: { "usr/bin/other": "1\n" } },
  );
  assert.ok(tool !== undefined && other !== undefined);
  await writeTree(await installed([tool, other]), root);
  const { bytes } = await makeDeb({ name: "tool", version: "2", files: { "usr/bin/tool2": "2\n" } });
  writeFileSync(join(scratch, "tool2.deb"), bytes);
  const force = ["--force-not-root", "--force-bad-path", "--force-architecture", "--log=/dev/null"];
  execFileSync("dpkg", [`--root=${root}`, ...force, "-i", join(scratch, "tool2.deb")], { stdio: "ignore" });
  execFileSync("dpkg", [`--root=${root}`, ...force, "-P", "other"], { stdio: "ignore" });
  assert.match(dpkg(root, "-l"), /^ii {2}tool +2 /m);
  assert.equal(
    spawnSync("find", [join(root, "usr/bin"), "-type", "f", "-printf", "%f\n"], { encoding: "utf8" }).stdout,
    "tool2\n",
  );
});

test("paths of the old top-level directories go through the links of the merged /usr", async () => {
  const tree = mergeDebianPackages(await Promise.all((await smallWorld()).map(archiveOf)));
  for (const [name, target] of [
    ["bin", "usr/bin"],
    ["sbin", "usr/sbin"],
    ["lib", "usr/lib"],
    ["lib64", "usr/lib64"],
  ] as const) {
    const node = tree.get(name);
    assert.ok(node?.kind === "symlink" && node.target === target, name);
    assert.equal(tree.get(target)?.kind, "directory");
  }
  assert.equal(await textAt(tree, "usr/bin/sh"), "shell\n");
  assert.equal(tree.get("usr/lib64/ld.so")?.kind, "symlink");
  assert.equal(tree.has("lib32"), false);
});

test("a package may bring the links of the merged /usr itself", async () => {
  const tree = mergeDebianPackages(
    await archivesOf({ name: "base-files", version: "13", files: { bin: "-> usr/bin", "usr/bin/x": "x" } }),
  );
  assert.equal(tree.get("bin")?.kind, "symlink");
});

test("a file of two packages is an error, unless one replaces the other, and then it is that one's", async () => {
  const two = (replaces: string, first: "old" | "new"): Promise<DebianArchive[]> => {
    const fields = { Replaces: replaces };
    const specs: DebSpec[] = [
      {
        name: "old",
        version: "1",
        files: { "usr/bin/x": "old", "usr/bin/y": "old" },
        fields: { Provides: "virtual" },
      },
      { name: "new", version: "2", files: { "usr/bin/x": "new" }, fields },
    ];
    return archivesOf(...(first === "old" ? specs : specs.toReversed()));
  };
  for (const first of ["old", "new"] as const) {
    for (const replaces of ["old", "old (<< 2)", "virtual"]) {
      const archives = await two(replaces, first);
      const tree = await installed(archives);
      assert.equal(await textAt(tree, "usr/bin/x"), "new");
      assert.equal(await textAt(tree, "var/lib/dpkg/info/old.list"), "/usr\n/usr/bin\n/usr/bin/y\n");
      assert.match(await textAt(tree, "var/lib/dpkg/info/new.list"), /^\/usr\/bin\/x$/m);
    }
    for (const replaces of ["old (<< 1)", "another"]) {
      const archives = await two(replaces, first);
      assert.throws(() => mergeDebianPackages(archives), { code: "already-exists", where: "/usr/bin/x" });
    }
  }
});

test("the directories of base-files come before those of others", async () => {
  const [first, base] = await archivesOf(
    { name: "a", version: "1", files: { "tmp/": "" } },
    { name: "base-files", version: "12", files: { "tmp/": "" } },
  );
  assert.ok(first !== undefined && base !== undefined);
  const sticky = base.entries.map(({ path, node }) => ({ path, node: { ...node, mode: 0o1777 } }));
  const tree = mergeDebianPackages([first, { ...base, entries: sticky }]);
  assert.equal(tree.get("tmp")?.mode, 0o1777);
});
