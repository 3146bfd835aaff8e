import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { elfFile, elfNote } from "../testing/elf-files.ts";
import { arm64Image, bzImage, withSize, zboot } from "../testing/kernel-images.ts";
import { filter, unlessInstalled } from "../testing/tools.ts";
import { identifyKernel } from "./identify.ts";
import { extractVmlinux, unwrapKernel } from "./unwrap.ts";

const pvhNote = elfNote("Xen", 18, Buffer.from("5008000100000000", "hex"));
const vmlinux = elfFile({
  type: 2,
  machine: 62,
  entry: 0x1000000n,
  segments: [
    { type: 1, content: Buffer.alloc(5000, "kernel text ") },
    {
      type: 4,
      content: Buffer.concat([
        elfNote("Xen", 6, Buffer.from("linux\0")),
        elfNote("GNU", 18, Buffer.alloc(4)),
        pvhNote,
      ]),
    },
  ],
});

test("a bzImage tells its version, address and payload", () => {
  const image = identifyKernel(bzImage(gzipSync(vmlinux)));
  assert.ok(image.kind === "bzimage");
  assert.deepEqual(
    { ...image, payload: { ...image.payload, sizeBytes: 0 } },
    {
      kind: "bzimage",
      architecture: "amd64",
      protocol: 0x020f,
      version: "6.1.0-test (somebody) #1",
      preferredAddress: 0x1000000n,
      initSizeBytes: 0x3000000,
      isRelocatable: true,
      payload: { offset: 2148, sizeBytes: 0, compression: "gzip" },
    },
  );
});

const packers: readonly (readonly [string, string, (bytes: Buffer) => Buffer])[] = [
  ["gzip", "", (bytes) => gzipSync(bytes)],
  ["zstd", "", (bytes) => withSize(zstdCompressSync(bytes), bytes.length)],
  [
    "xz",
    "xz",
    (bytes) =>
      withSize(filter("xz", ["-c", "--x86", "--lzma2=dict=32MiB", "--check=crc32"], bytes), bytes.length),
  ],
  ["lz4", "lz4", (bytes) => withSize(filter("lz4", ["-lc"], bytes), bytes.length)],
];
for (const [name, tool, pack] of packers) {
  const skip = tool === "" ? false : unlessInstalled(tool);
  test(`a vmlinux comes out of a bzImage compressed with ${name}`, { skip }, async () => {
    assert.ok(vmlinux.equals(await extractVmlinux(bzImage(pack(vmlinux)))));
  });
}

test("a vmlinux tells its entry points", () => {
  assert.deepEqual(identifyKernel(vmlinux), {
    kind: "elf",
    architecture: "amd64",
    entry: 0x1000000n,
    pvhEntry: 0x01000850,
  });
  const bare = elfFile({ type: 2, machine: 62, segments: [{ type: 4, content: Buffer.alloc(20, 0xff) }] });
  assert.equal((identifyKernel(bare) as { pvhEntry?: number }).pvhEntry, undefined);
});

test("an arm64 Image tells its page size and its EFI stub", () => {
  assert.deepEqual(identifyKernel(arm64Image()), {
    kind: "arm64-image",
    architecture: "arm64",
    textOffset: 0n,
    imageSizeBytes: 0x2000000n,
    pageSizeBytes: 4096,
    hasEfiStub: true,
  });
});

test("an Image comes out of its wrappings, and what has none stays as it is", async () => {
  const image = arm64Image();
  for (const wrapped of [
    image,
    gzipSync(image),
    zboot(gzipSync(image), "gzip"),
    zboot(zstdCompressSync(image), "zstd22"),
    gzipSync(zboot(gzipSync(image), "gzip")),
  ]) {
    assert.ok(image.equals(await unwrapKernel(wrapped)));
  }
  assert.ok(vmlinux.equals(await unwrapKernel(zstdCompressSync(vmlinux))));
});

for (const [what, bytes, code] of [
  ["nothing at all", Buffer.alloc(0), "unsupported"],
  ["text", Buffer.from("#!/bin/sh\n".repeat(100)), "unsupported"],
  ["a bzImage of old", bzImage(gzipSync(vmlinux), { protocol: 0x0207 }), "unsupported"],
  [
    "a bzImage with a payload beyond its end",
    bzImage(gzipSync(vmlinux), { payloadBytes: 2 ** 31 }),
    "malformed",
  ],
  ["a bzImage without a payload", bzImage(Buffer.alloc(0)), "malformed"],
  ["a bzImage of lzma", bzImage(Buffer.from("5d00008000ffffffffffff", "hex")), "unsupported"],
  ["a bzImage with an Image inside", bzImage(gzipSync(arm64Image())), "malformed"],
  [
    "a bzImage whose payload is shorter than it says",
    bzImage(withSize(zstdCompressSync(vmlinux), 1)),
    "malformed",
  ],
  [
    "a zboot image with a payload beyond its end",
    zboot(gzipSync("x"), "gzip", { payloadBytes: 2 ** 31 }),
    "malformed",
  ],
  ["a zboot image of another compression", zboot(gzipSync("x"), "zstd"), "malformed"],
  ["a zboot image of lzma", zboot(gzipSync("x"), "lzma"), "unsupported"],
  ["a zboot image for another machine", zboot(gzipSync("x"), "gzip", { machine: 0x1c2 }), "unsupported"],
  ["five wrappings", [1, 2, 3, 4, 5].reduce((inner) => gzipSync(inner), arm64Image()), "malformed"],
  ["a module", elfFile({ type: 1, machine: 62 }), "unsupported"],
] as const) {
  test(`a kernel image that is ${what} is refused`, async () => {
    const open = async (): Promise<void> => {
      const inner = await unwrapKernel(bytes);
      if (identifyKernel(inner).kind === "bzimage") await extractVmlinux(inner);
    };
    await assert.rejects(open(), { name: "KelpieError", code });
  });
}
