// The kernel that a monitor without a boot loader enters, from every form that an image may bring.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { elfFile } from "../../../formats/src/testing/elf-files.ts";
import { arm64Image, bzImage, zboot } from "../../../formats/src/testing/kernel-images.ts";
import { type DirectKernel, directKernel } from "./direct-kernel.ts";

const vmlinux = elfFile({
  type: 2,
  machine: 62,
  segments: [{ type: 1, content: Buffer.alloc(5000, "text") }],
});

async function enter(
  content: Uint8Array,
  check: (kernel: string, cache: string, found: DirectKernel) => Promise<void> | void,
): Promise<void> {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-kernel-");
  const kernel = join(directory.path, "vmlinuz");
  const cache = join(directory.path, "cache/unpacked");
  writeFileSync(kernel, content);
  await check(kernel, cache, await directKernel(realPlatform, { kernel }, cache));
}

for (const [what, content, format] of [
  ["an ELF vmlinux", vmlinux, "elf"],
  ["an Image", arm64Image(), "image"],
] as const) {
  test(`${what} is entered as it is, and nothing is written`, async () => {
    await enter(content, (kernel, cache, found) => {
      assert.deepEqual(found, { path: kernel, format });
      assert.equal(statSync(cache, { throwIfNoEntry: false }), undefined);
    });
  });
}

for (const [what, packed, inner, format] of [
  ["a bzImage", bzImage(gzipSync(vmlinux)), vmlinux, "elf"],
  ["a zboot image", zboot(gzipSync(arm64Image()), "gzip"), arm64Image(), "image"],
  ["a compressed Image", gzipSync(arm64Image()), arm64Image(), "image"],
] as const) {
  test(`what is inside ${what} is unpacked once, under the packed file's digest`, async () => {
    await enter(packed, async (kernel, cache, found) => {
      const path = join(cache, createHash("sha256").update(packed).digest("hex"));
      assert.deepEqual(found, { path, format });
      assert.deepEqual(readFileSync(path), Buffer.from(inner));
      const before = statSync(path);
      assert.deepEqual(await directKernel(realPlatform, { kernel }, cache), found);
      assert.equal(statSync(path).ino, before.ino);
      assert.equal(readdirSync(cache).length, 1);
    });
  });
}

test("one that was cut short in the cache is made again", async () => {
  await enter(bzImage(gzipSync(vmlinux)), async (kernel, cache, { path }) => {
    writeFileSync(path, "");
    await directKernel(realPlatform, { kernel }, cache);
    assert.deepEqual(readFileSync(path), Buffer.from(vmlinux));
  });
});

test("a digest that is known spares reading the packed kernel", async () => {
  await enter(bzImage(gzipSync(vmlinux)), async (kernel, cache) => {
    const digests = { rootfs: "", kernel: "0".repeat(64), initrd: "" };
    const found = await directKernel(realPlatform, { kernel, digests }, cache);
    assert.equal(found.path, join(cache, digests.kernel));
  });
});

test("what is no kernel is refused, and one that is missing too", async () => {
  const code = (wanted: string) => (error: unknown) => KelpieError.is(error) && error.code === wanted;
  await assert.rejects(
    enter(Buffer.alloc(4096, 7), () => undefined),
    code("unsupported"),
  );
  await enter(vmlinux, async (kernel, cache) => {
    await assert.rejects(directKernel(realPlatform, { kernel: `${kernel}.none` }, cache), code("not-found"));
  });
});
