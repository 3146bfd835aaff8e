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
import { MemorySink } from "../../byte-sink.ts";
import { bytesSource } from "../../byte-source.ts";
import { collect } from "../../stream/collect.ts";
import { fuzz } from "../../testing/fuzz.ts";
import { scratchDirectory, unlessInstalled } from "../../testing/tools.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { TreeNode } from "../../tree/node.ts";
import { inodeNumber, roCompatFeature } from "../constants.ts";
import { file, metadata, options } from "../testing/images.ts";
import { trees } from "../testing/trees.ts";
import { writeExt4 } from "../write.ts";
import { readExt4 } from "./read-ext4.ts";

async function bytesOf(tree: FileTree): Promise<Uint8Array> {
  const sink = new MemorySink();
  await writeExt4(tree, sink, options);
  return sink.toBytes();
}

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
      const bytes = await bytesOf(tree);
      const { tree: read, ...figures } = await readExt4(bytesSource(bytes));
      assert.equal(figures.label, options.label);
      assert.equal(figures.blocks * figures.blockBytes, bytes.length);
      if (!tree.has("lost+found")) {
        const made = { mode: 0o700, uid: 0, gid: 0, mtimeSeconds: options.timestampSeconds };
        tree.put("lost+found", { ...made, kind: "directory" });
      }
      assert.deepEqual(await describe(read), await describe(tree));
      assert.ok(Buffer.from(await bytesOf(read)).equals(bytes));
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
  const { tree: read } = await readExt4(bytesSource(await bytesOf(tree)));
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
  const bytes = await bytesOf(tree);
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
  const source = bytesSource(await bytesOf(tree));
  const code = (expected: string) => (error: unknown) => KelpieError.is(error) && error.code === expected;
  await assert.rejects(readExt4(source, { maxEntries: 9 }), code("limit-exceeded"));
  await assert.rejects(readExt4(source, { signal: AbortSignal.abort() }), code("cancelled"));
});

test("a directory that contains itself is refused", async () => {
  const tree = new FileTree();
  tree.put("a/b", { ...metadata, kind: "directory", mode: 0o755 });
  const bytes = withoutChecksums(await bytesOf(tree));
  // "b" becomes another name of the root.
  const at = Buffer.from(bytes).indexOf(Buffer.from([1, 2, 0x62, 0, 0, 0])) - 6;
  new DataView(bytes.buffer).setUint32(at, inodeNumber.root, true);
  await assert.rejects(readExt4(bytesSource(bytes)), /two names/);
});

test("images with damage anywhere are read or refused, in bounded time", async () => {
  const tree = new FileTree();
  for (let index = 0; index < 150; index += 1) tree.put(`many/name-${index}`, file("content"));
  tree.put("rich", file("", { xattrs: new Map([["user.x", new Uint8Array(200)]]) }));
  tree.put("link", { ...metadata, kind: "symlink", target: "x".repeat(100) });
  const bytes = withoutChecksums(await bytesOf(tree));
  const result = await fuzz({
    corpus: [packed(bytes)],
    run: async (input) => {
      const { tree: read } = await readExt4(bytesSource(unpacked(input, bytes.length)));
      for (const { node } of read.entries())
        if (node.kind === "file" && node.content.sizeBytes < 2 ** 20)
          await collect(node.content.open(), 2 ** 20);
    },
    runs: 400,
  });
  assert.ok(result.accepted > 20 && result.refused > 20, JSON.stringify(result));
});

/** Says in the superblock that there are no checksums, so that damage gets past them. */
function withoutChecksums(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer);
  view.setUint32(1024 + 0x64, view.getUint32(1024 + 0x64, true) & ~roCompatFeature.metadataChecksum, true);
  return bytes;
}

/** The blocks that are not zero, each after its number: most of an image is zero. */
function packed(bytes: Uint8Array): Uint8Array {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 4096) {
    const block = bytes.subarray(at, at + 4096);
    if (block.every((byte) => byte === 0)) continue;
    const number = Buffer.alloc(4);
    number.writeUInt32LE(at / 4096);
    parts.push(number, Buffer.from(block));
  }
  return Uint8Array.from(Buffer.concat(parts));
}

function unpacked(input: Uint8Array, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let at = 0; at + 4 < input.length; at += 4100) {
    const place = Buffer.from(input.buffer, input.byteOffset + at, 4).readUInt32LE() * 4096;
    if (place < sizeBytes) bytes.set(input.subarray(at + 4, at + 4100).subarray(0, sizeBytes - place), place);
  }
  return bytes;
}
