import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import fc from "fast-check";
import { bytesSource } from "../../byte-source.ts";
import { collect } from "../../stream/collect.ts";
import { scratchDirectory, unlessInstalled } from "../../testing/tools.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { TreeNode } from "../../tree/node.ts";
import { inodeNumber } from "../constants.ts";
import { file, imageBytes, metadata, options, withoutChecksums } from "../testing/images.ts";
import { trees } from "../testing/trees.ts";
import { readExt4 } from "./read-ext4.ts";

/** Everything of a tree in plain values; names of one file are numbered alike. */
async function describe(tree: FileTree): Promise<unknown[]> {
  const nodes: TreeNode[] = [];
  const entries: unknown[] = [];
  for (const { path, node } of tree.entries()) {
    if (!nodes.includes(node)) nodes.push(node);
    const { xattrs, ...rest } = node;
    const bytes = node.kind === "file" ? Buffer.from(await collect(node.content.open(), 2 ** 20)) : undefined;
    const shown = "content" in rest ? { ...rest, content: bytes?.toString("base64") } : rest;
    const attributes = [...(xattrs ?? [])]
      .map(([name, value]) => [name, Buffer.from(value).toString("hex")])
      .sort();
    entries.push({
      path,
      ...shown,
      attributes,
      identity: node.kind === "file" ? nodes.indexOf(node) : undefined,
    });
  }
  return entries;
}

test("what was written is read back, and written again gives the same bytes", async () => {
  await fc.assert(
    fc.asyncProperty(trees(30), async (tree) => {
      const bytes = await imageBytes(tree);
      const { tree: read, ...figures } = await readExt4(bytesSource(bytes));
      assert.equal(figures.label, options.label);
      assert.equal(figures.blocks * figures.blockBytes, bytes.length);
      if (!tree.has("lost+found")) {
        const made = { mode: 0o700, uid: 0, gid: 0, mtimeSeconds: options.timestampSeconds };
        tree.put("lost+found", { ...made, kind: "directory" });
      }
      assert.deepEqual(await describe(read), await describe(tree));
      assert.ok(Buffer.from(await imageBytes(read)).equals(bytes));
    }),
    { numRuns: 25 },
  );
});

test("ACLs, large directories and sparse files are read back", async () => {
  const acl = Buffer.from(
    "0200000001000600ffffffff02000700e803000004000400ffffffff10000700ffffffff20000400ffffffff",
    "hex",
  );
  const tree = new FileTree();
  tree.put(
    "a",
    file("x", {
      xattrs: new Map([
        ["system.posix_acl_access", acl],
        ["user.long", new Uint8Array(900)],
      ]),
    }),
  );
  for (let index = 0; index < 2000; index += 1) tree.put(`many/${index}`, { ...metadata, kind: "fifo" });
  const dataRanges = Array.from({ length: 1400 }, (_, index) => ({
    start: index * 8192,
    end: index * 8192 + 4096,
  }));
  const holes = new Uint8Array(1400 * 8192);
  for (const { start, end } of dataRanges) holes.fill(1, start, end);
  tree.put("sparse", { ...metadata, kind: "file", content: { ...bytesSource(holes), dataRanges } });
  const { tree: read } = await readExt4(bytesSource(await imageBytes(tree)));
  assert.deepEqual(read.get("a")?.xattrs?.get("system.posix_acl_access"), Uint8Array.from(acl));
  assert.equal(read.list("many").length, 2000);
  const sparse = read.get("sparse");
  assert.ok(sparse?.kind === "file");
  assert.deepEqual(sparse.content.dataRanges, dataRanges);
  assert.ok(Buffer.from(holes).equals(await collect(sparse.content.open(), 2 ** 26)));
});

for (const features of [
  [],
  ["-b", "1024"],
  ["-b", "4096", "-O", "^metadata_csum,^64bit"],
  ["-I", "128", "-O", "^has_journal"],
]) {
  const name = features.length === 0 ? "as it makes them by itself" : `made with ${features.join(" ")}`;
  test(`an image of mke2fs is read, ${name}`, { skip: unlessInstalled("mke2fs") }, async () => {
    using scratch = scratchDirectory();
    const root = join(scratch.path, "root");
    mkdirSync(join(root, "many"), { recursive: true });
    writeFileSync(join(root, "large"), Buffer.alloc(700_000, "large"));
    writeFileSync(join(root, "empty"), "");
    symlinkSync("large", join(root, "short"));
    symlinkSync("x".repeat(90), join(root, "long"));
    for (let index = 0; index < 300; index += 1)
      writeFileSync(join(root, "many", `number-${index}`), `${index}`);
    const path = join(scratch.path, "image");
    execFileSync("mke2fs", ["-q", "-t", "ext4", "-d", root, ...features, path, "16M"], { stdio: "pipe" });
    const { tree } = await readExt4(bytesSource(readFileSync(path)));
    const names = readdirSync(root, { recursive: true, encoding: "utf8" }).sort();
    const read = [...tree.entries()]
      .map((entry) => entry.path)
      .filter((at) => at !== "" && at !== "lost+found");
    assert.deepEqual(read.sort(), names);
    for (const at of names) {
      const node = tree.get(at);
      const status = lstatSync(join(root, at));
      assert.equal(node?.mtimeSeconds, Math.floor(status.mtimeMs / 1000), at);
      if (node.kind === "symlink") assert.equal(node.target, readlinkSync(join(root, at)));
      if (node.kind === "file") {
        assert.ok(readFileSync(join(root, at)).equals(await collect(node.content.open(), 2 ** 20)), at);
      }
    }
  });
}

test("a flipped bit in any block of metadata is noticed", async () => {
  const tree = new FileTree();
  for (let index = 0; index < 200; index += 1) tree.put(`many/name-${index}`, file("x"));
  tree.put("rich", file("", { xattrs: new Map([["user.x", new Uint8Array(200)]]) }));
  const bytes = await imageBytes(tree);
  const { tree: read } = await readExt4(bytesSource(bytes));
  assert.equal(read.list("many").length, 200);
  // The superblock, the first descriptor, the root's inode, the root and lost+found (between them is the map of
  // reserved descriptors, which has no checksum).
  const view = new DataView(bytes.buffer);
  const inodeTable = view.getUint32(4096 + 8, true) * 4096;
  const rootBlock = view.getUint32(inodeTable + 256 + 0x28 + 20, true) * 4096;
  for (const at of [1024 + 0x78, 4096 + 8, inodeTable + 256 + 4, rootBlock + 30, rootBlock + 2 * 4096 + 5]) {
    const damaged = bytes.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    await assert.rejects(
      readExt4(bytesSource(damaged)),
      (error) => KelpieError.is(error) && error.code === "malformed",
    );
  }
});

test("more names than the bound, and a signal, end the reading", async () => {
  const tree = new FileTree();
  for (let index = 0; index < 10; index += 1) tree.put(`${index}`, file(""));
  const source = bytesSource(await imageBytes(tree));
  const code = (expected: string) => (error: unknown) => KelpieError.is(error) && error.code === expected;
  await assert.rejects(readExt4(source, { maxEntries: 9 }), code("limit-exceeded"));
  await assert.rejects(readExt4(source, { signal: AbortSignal.abort() }), code("cancelled"));
});

test("a directory that contains itself is refused", async () => {
  const tree = new FileTree();
  tree.put("a/b", { ...metadata, kind: "directory", mode: 0o755 });
  const bytes = withoutChecksums(await imageBytes(tree));
  // "b" becomes another name of the root.
  const at = Buffer.from(bytes).indexOf(Buffer.from([1, 2, 0x62, 0, 0, 0])) - 6;
  new DataView(bytes.buffer).setUint32(at, inodeNumber.root, true);
  await assert.rejects(readExt4(bytesSource(bytes)), /two names/);
});
