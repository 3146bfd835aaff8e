// Any bytes are an ext4 file system or a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { bytesSource } from "../../byte-source.ts";
import { collect } from "../../stream/collect.ts";
import { fuzz } from "../../testing/fuzz.ts";
import { FileTree } from "../../tree/file-tree.ts";
import { file, imageBytes, metadata, withoutChecksums } from "../testing/images.ts";
import { readExt4 } from "./read-ext4.ts";

test("images with damage anywhere are read or refused, in bounded time", async () => {
  const tree = new FileTree();
  for (let index = 0; index < 150; index += 1) tree.put(`many/name-${index}`, file("content"));
  tree.put("rich", file("", { xattrs: new Map([["user.x", new Uint8Array(200)]]) }));
  tree.put("link", { ...metadata, kind: "symlink", target: "x".repeat(100) });
  const bytes = withoutChecksums(await imageBytes(tree));
  const result = await fuzz({
    name: "ext4",
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
