// Packages on top of a base: against apk itself where the real minirootfs is at hand, and on a base that is made here.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  bytesSource,
  decompress,
  FileTree,
  MemorySink,
  type TreeNode,
  treeFromTar,
  writeTar,
} from "@kelpie/formats";
import { realPlatform } from "@kelpie/platform";
import { type Mirror, startMirror } from "../testing/mirror.ts";
import type { AlpineArchive } from "./archive.ts";
import { readAlpineBase, triggeredPackages } from "./base.ts";
import { alpineDatabase } from "./database.ts";
import { installOver } from "./install-over.ts";
import { readInstalled } from "./installed.ts";
import { mergePackages } from "./merge.ts";
import { type AlpineRepository, openAlpineRepositories } from "./repository.ts";
import { apkJudge, realData } from "./testing/judge.ts";
import {
  createTestKey,
  file,
  makeIndex,
  makePackage,
  type TestKey,
  type TestPackage,
} from "./testing/packages.ts";

const directories = (...paths: readonly string[]): { path: string; node: TreeNode }[] =>
  paths.map((path) => ({
    path,
    node: { kind: "directory", mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 5 },
  }));

/** One that uses what is there, one that needs a newer tool than is there, and that tool. */
const additions: readonly TestPackage[] = [
  {
    name: "extra",
    version: "1.0-r0",
    info: [["depend", "busybox"]],
    files: [
      ...directories("usr", "usr/bin"),
      { path: "usr/bin/extra", node: file("#!/bin/sh\n", 0o755) },
      // A link of busybox, which no package owns.
      { path: "usr/bin/awk", node: file("awk", 0o755) },
    ],
  },
  {
    name: "modern",
    version: "2-r1",
    info: [["depend", "scanelf>=99"]],
    files: [...directories("opt"), { path: "opt/modern", node: file("2") }],
  },
  {
    name: "scanelf",
    version: "99-r0",
    files: [...directories("usr", "usr/bin"), { path: "usr/bin/scanelf", node: file("new scanelf", 0o755) }],
  },
];

interface World extends AsyncDisposable {
  readonly mirror: Mirror;
  readonly key: TestKey;
  readonly directory: string;
  repository(): Promise<AlpineRepository>;
}

async function worldOf(packages: readonly TestPackage[]): Promise<World> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-base-"));
  const mirror = await startMirror();
  const key = createTestKey();
  const made = await Promise.all(packages.map((each) => makePackage(each, { key })));
  for (const { record, bytes } of made)
    mirror.put(`/main/x86_64/${record.name}-${record.version}.apk`, bytes);
  const records = made.map(({ record }) => record);
  mirror.put("/main/x86_64/APKINDEX.tar.gz", await makeIndex(records, { key }));
  return {
    mirror,
    key,
    directory,
    repository: () =>
      openAlpineRepositories({
        platform: realPlatform,
        cacheDirectory: join(directory, "cache"),
        repositories: [{ url: `${mirror.url}/main` }],
        architecture: "amd64",
        keys: new Map([[key.name, key.publicPem]]),
      }),
    async [Symbol.asyncDispose]() {
      await mirror[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function add(
  tree: FileTree,
  world: World,
  wanted: readonly string[],
): Promise<readonly AlpineArchive[]> {
  const repository = await world.repository();
  const base = await readAlpineBase(tree, "the base");
  const { packages } = repository.resolve([...base.world, ...wanted], base.packages);
  const archives: AlpineArchive[] = [];
  for (const each of packages) archives.push(await repository.fetch(each));
  await installOver(tree, base, archives, { world: wanted, mtimeSeconds: 7 });
  return archives;
}

/** A base as the packages' own installation leaves it. */
async function baseOf(packages: readonly TestPackage[], world: readonly string[]): Promise<FileTree> {
  await using own = await worldOf(packages);
  const repository = await own.repository();
  const archives: AlpineArchive[] = [];
  for (const each of repository.resolve(world).packages) archives.push(await repository.fetch(each));
  const { tree, owners } = mergePackages(archives);
  // Contents lie in a cache that goes with the world.
  for (const { path, node } of tree.entries()) {
    if (node.kind !== "file") continue;
    const sink = new MemorySink();
    for await (const chunk of node.content.open()) await sink.write(chunk);
    tree.put(path, { ...node, content: bytesSource(sink.toBytes()) });
  }
  const state = { archives, owners, world, machine: "x86_64", mtimeSeconds: 6 };
  for (const { path, node } of await alpineDatabase(state)) tree.put(path, node);
  return tree;
}

async function textOf(tree: FileTree, path: string): Promise<string> {
  const node = tree.get(path);
  assert.ok(node?.kind === "file", path);
  const sink = new MemorySink();
  for await (const chunk of node.content.open()) await sink.write(chunk);
  return Buffer.from(sink.toBytes()).toString();
}

const ownBase: readonly TestPackage[] = [
  {
    name: "layout",
    version: "1-r0",
    info: [["triggers", "/usr/bin /opt/*"]],
    scripts: { ".trigger": "#!/bin/sh\nexit 0\n", ".post-install": "#!/bin/sh\nexit 0\n" },
    files: [{ path: "etc/os-release", node: file("ID=alpine\n") }],
  },
  {
    name: "scanelf",
    version: "1-r0",
    scripts: { ".post-install": "#!/bin/sh\nexit 1\n" },
    files: [
      { path: "usr/bin/scanelf", node: file("old scanelf") },
      { path: "usr/bin/scanelf-old", node: file("gone in the new one") },
    ],
  },
  {
    name: "busybox",
    version: "1-r0",
    info: [["depend", "scanelf"]],
    files: [{ path: "bin/busybox", node: file("b") }],
  },
];

test("what is there stays, and only what is missing is taken", async () => {
  const tree = await baseOf(ownBase, ["layout", "busybox"]);
  await using world = await worldOf(additions);
  const archives = await add(tree, world, ["extra"]);
  assert.deepEqual(
    archives.map(({ record }) => record.name),
    ["extra"],
  );
  assert.equal(await textOf(tree, "usr/bin/scanelf"), "old scanelf");
  assert.equal(await textOf(tree, "usr/bin/awk"), "awk");
  assert.equal(await textOf(tree, "etc/apk/world"), "busybox\nextra\nlayout\n");
  const installed = readInstalled(await textOf(tree, "lib/apk/db/installed"), "here");
  assert.deepEqual(installed.map(({ record }) => record.name).sort(), [
    "busybox",
    "extra",
    "layout",
    "scanelf",
  ]);
  const base = await readAlpineBase(tree, "again");
  assert.deepEqual([...base.scripts.keys()].sort(), ["layout", "scanelf"]);
});

test("a package that is too old is replaced, with its files, its scripts and its lines of the database", async () => {
  const tree = await baseOf(ownBase, ["layout", "busybox"]);
  await using world = await worldOf(additions);
  const archives = await add(tree, world, ["modern"]);
  assert.deepEqual(archives.map(({ record }) => `${record.name} ${record.version}`).sort(), [
    "modern 2-r1",
    "scanelf 99-r0",
  ]);
  assert.equal(await textOf(tree, "usr/bin/scanelf"), "new scanelf");
  assert.equal(tree.has("usr/bin/scanelf-old"), false);
  const after = await readAlpineBase(tree, "again");
  assert.equal(after.packages.find(({ record }) => record.name === "scanelf")?.record.version, "99-r0");
  assert.deepEqual([...after.scripts.keys()], ["layout"]);
});

test("triggers of the base are found by the directories that new files go to", async () => {
  const tree = await baseOf(ownBase, ["layout", "busybox"]);
  await using world = await worldOf(additions);
  const base = await readAlpineBase(tree, "the base");
  const archives = await add(tree, world, ["extra"]);
  assert.deepEqual(
    triggeredPackages(base, archives).map(({ record }) => record.name),
    ["layout"],
  );
  assert.match(base.scripts.get("layout")?.get(".trigger") ?? "", /exit 0/);
});

test("a file of a package that stays is taken only by one that says that it replaces it", async () => {
  const thief = (info: TestPackage["info"] = []): TestPackage => ({
    name: "thief",
    version: "1-r0",
    info,
    files: [{ path: "bin/busybox", node: file("mine") }],
  });
  {
    const tree = await baseOf(ownBase, ["busybox"]);
    await using world = await worldOf([thief()]);
    await assert.rejects(add(tree, world, ["thief"]), { code: "already-exists", where: "bin/busybox" });
  }
  const tree = await baseOf(ownBase, ["busybox"]);
  await using world = await worldOf([thief([["replaces", "busybox"]])]);
  await add(tree, world, ["thief"]);
  assert.equal(await textOf(tree, "bin/busybox"), "mine");
  const installed = readInstalled(await textOf(tree, "lib/apk/db/installed"), "here");
  const ownersOf = (path: string): readonly string[] =>
    installed
      .filter(({ files }) => files.some((each) => each.path === path))
      .map(({ record }) => record.name);
  assert.deepEqual(ownersOf("bin/busybox"), ["thief"]);
});

test("a base that has no database, and a world that it cannot have, are refused", async () => {
  await assert.rejects(readAlpineBase(new FileTree(), "x.tar"), { code: "unsupported", where: "x.tar" });
  const tree = await baseOf(ownBase, ["busybox"]);
  await using world = await worldOf(additions);
  await assert.rejects(add(tree, world, ["nothing-like-it"]), { code: "unresolvable" });
});

/** What stands below a directory of the host: kind, mode, target of links. */
async function listing(root: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = path.slice(root.length + 1);
    const status = await lstat(path);
    if (/^(?:lib\/apk\/db|etc\/apk|mirror|repositories|var\/(?:cache|log)|dev|proc|sys)(?:\/|$)/.test(name))
      continue;
    if (entry.isSymbolicLink()) found.set(name, `→ ${await readlink(path)}`);
    else if (entry.isDirectory()) found.set(name, "directory");
    else
      found.set(
        name,
        `${(status.mode & 0o7777).toString(8)} ${(await readFile(path)).toString("base64").slice(0, 60)}`,
      );
  }
  return found;
}

test("on the real minirootfs the outcome is that of apk add, and apk finds nothing to mend in it", async (t) => {
  const judges = [await apkJudge(), await apkJudge()];
  const [one, two] = judges;
  const tarball = realData("alpine-minirootfs-3.19.4-x86_64.tar.gz");
  if (one?.kind !== "present" || two?.kind !== "present" || tarball === undefined) {
    t.skip(one?.kind === "absent" ? one.reason : "the real minirootfs is not at hand");
    return;
  }
  await using theirs = one;
  await using ours = two;
  await using world = await worldOf(additions);

  for (const path of ["APKINDEX.tar.gz", "extra-1.0-r0.apk", "modern-2-r1.apk", "scanelf-99-r0.apk"]) {
    const response = await fetch(`${world.mirror.url}/main/x86_64/${path}`);
    const place = join(theirs.root, "mirror/x86_64", path);
    await mkdir(dirname(place), { recursive: true });
    await writeFile(place, Buffer.from(await response.arrayBuffer()));
  }
  await writeFile(join(theirs.root, "etc/apk/keys", world.key.name), world.key.publicPem);
  await writeFile(join(theirs.root, "repositories"), "/mirror\n");
  const added = await theirs.run([
    "apk",
    "add",
    "--no-network",
    "--repositories-file",
    "/repositories",
    "extra",
    "modern",
  ]);
  assert.equal(added.code, 0, added.stderr + added.stdout);

  const archive = decompress(bytesSource(await readFile(tarball)).open(), { maxOutputBytes: 1 << 28 });
  const uncompressed = new MemorySink();
  for await (const chunk of archive) await uncompressed.write(chunk);
  const bytes = uncompressed.toBytes();
  const tree = await treeFromTar(bytesSource(bytes).open(), {
    limits: { maxEntries: 100_000 },
    where: "minirootfs",
    contentAt: (offset, size) => bytesSource(bytes.subarray(offset, offset + size)),
  });
  await add(tree, world, ["extra", "modern"]);
  const sink = new MemorySink();
  await writeTar(tree.entries(), sink);
  await rm(ours.root, { recursive: true });
  await mkdir(ours.root);
  execFileSync("tar", ["-xf", "-", "-C", ours.root], { input: sink.toBytes() });

  assert.deepEqual([...(await listing(ours.root))].sort(), [...(await listing(theirs.root))].sort());
  const state = async (root: string): Promise<unknown> =>
    readInstalled(await readFile(join(root, "lib/apk/db/installed"), "utf8"), root)
      .map(({ record, files, directories }) => ({
        checksum: record.checksum,
        files: files.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
        directories: directories.map(({ path }) => path).sort(),
      }))
      .sort((a, b) => (a.checksum < b.checksum ? -1 : 1));
  assert.deepEqual(await state(ours.root), await state(theirs.root));
  const world1 = await readFile(join(ours.root, "etc/apk/world"), "utf8");
  assert.equal(world1, await readFile(join(theirs.root, "etc/apk/world"), "utf8"));

  const audit = await ours.run(["apk", "audit", "--system"]);
  assert.deepEqual(audit, await theirs.run(["apk", "audit", "--system"]));
  const fix = await ours.run([
    "apk",
    "fix",
    "--simulate",
    "--no-network",
    "--repositories-file",
    "/dev/null",
  ]);
  assert.match(fix.stdout, /^OK: /m, fix.stderr);
});
