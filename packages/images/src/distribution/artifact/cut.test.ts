// Where files are cut, and that versions share the parts.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import type { ImageFileName } from "../../metadata/image-metadata.ts";
import { noise } from "../testing/images.ts";
import { type CutPart, cutFile } from "./cut.ts";

async function cut(content: Uint8Array, file: ImageFileName = "rootfs.ext4"): Promise<CutPart[]> {
  const directory = await mkdtemp(join(tmpdir(), "kelpie-cut-"));
  try {
    await writeFile(join(directory, "file"), content);
    return await Array.fromAsync(cutFile(realPlatform.files, join(directory, "file"), file, undefined));
  } finally {
    await rm(directory, { recursive: true });
  }
}

for (const sizeBytes of [0, 1, 4095, 4096, 128 << 10, (128 << 10) + 1, 16 << 20, (40 << 20) + 777]) {
  test(`the parts of ${sizeBytes} bytes make the whole, and none is longer than it may be`, async () => {
    const content = noise("cut", sizeBytes);
    const parts = await cut(content);
    assert.ok(Buffer.concat(parts.map(({ bytes }) => bytes)).equals(content));
    let offset = 0;
    for (const [index, part] of parts.entries()) {
      assert.equal(part.offset, offset);
      assert.ok(part.bytes.length <= 4 << 20);
      assert.ok(part.bytes.length >= 64 << 10 || index === parts.length - 1);
      offset += part.bytes.length;
    }
  });
}

test("a few blocks put in change the parts around them and no other", async () => {
  const content = noise("shift", 48 << 20);
  const at = 17 << 20;
  const moved = Buffer.concat([content.subarray(0, at), noise("new", 5 * 4096), content.subarray(at)]);
  const before = new Set((await cut(content)).map(({ sha256 }) => sha256));
  const after = await cut(moved);
  assert.ok(after.length > 40);
  assert.ok(after.filter(({ sha256 }) => !before.has(sha256)).length <= 2);
});

test("free space is cut into equal parts", async () => {
  const parts = await cut(new Uint8Array(24 << 20));
  assert.deepEqual(
    parts.map(({ bytes }) => bytes.length),
    Array.from({ length: 6 }, () => 4 << 20),
  );
  assert.equal(new Set(parts.map(({ sha256 }) => sha256)).size, 1);
});

test("a kernel travels in one piece", async () => {
  assert.equal((await cut(noise("kernel", 20 << 20), "vmlinuz")).length, 1);
});
