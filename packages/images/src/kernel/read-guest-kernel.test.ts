import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync, zstdCompressSync } from "node:zlib";
import type { TreeEntry } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import { kernelFromFiles } from "./read-guest-kernel.ts";
import { arm64Image, bzImage, file, moduleFile } from "./testing/kernel-package.ts";

const modules = "lib/modules/6.1.0-test/kernel";

/** Much of what a distribution's package has: modules here and there, compressed or not, some of it built in. */
function files(
  changes: {
    readonly without?: RegExp;
    readonly image?: Uint8Array;
    readonly more?: readonly TreeEntry[];
  } = {},
): TreeEntry[] {
  const all = [
    file("boot/vmlinuz-6.1.0-test", changes.image ?? bzImage()),
    file("boot/config-6.1.0-test", "CONFIG_X=y\n"),
    file(`${modules}/drivers/virtio/virtio_ring.ko`, moduleFile(["name=virtio_ring", "depends="])),
    file(
      `${modules}/drivers/virtio/virtio.ko.gz`,
      gzipSync(moduleFile(["name=virtio", "depends=virtio_ring"])),
    ),
    file(
      `${modules}/drivers/virtio/virtio_pci.ko.zst`,
      zstdCompressSync(moduleFile(["name=virtio_pci", "depends=virtio"])),
    ),
    file(`${modules}/drivers/block/virtio-blk.ko`, moduleFile(["name=virtio_blk", "depends=virtio"])),
    file(`${modules}/fs/ext4/ext4.ko`, moduleFile(["name=ext4", "depends=", "softdep=pre: crc32c"])),
    file(
      `${modules}/crypto/crc32c_generic.ko`,
      moduleFile(["name=crc32c_generic", "depends=", "alias=crc32c"]),
    ),
    file("lib/modules/6.1.0-test/modules.builtin", "kernel/drivers/char/virtio_console.ko\n"),
    file("lib/modules/6.1.0-test/modules.builtin.modinfo", "virtio_console.alias=virtio:d00000003v*\0"),
    ...(changes.more ?? []),
  ];
  return all.filter(({ path }) => changes.without?.test(path) !== true);
}

const read = (entries: readonly TreeEntry[], architecture: "amd64" | "arm64" = "amd64") =>
  kernelFromFiles({ architecture, entries, where: "linux-test" });

test("a package gives its release, its image, and its modules uncompressed and in order", async () => {
  const kernel = await read(files());
  assert.equal(kernel.release, "6.1.0-test");
  assert.equal(kernel.format, "bzImage");
  assert.deepEqual(kernel.image.bytes, new Uint8Array(bzImage()));
  assert.deepEqual(
    kernel.modules.map(({ when, module }) => `${when} ${module.path}`),
    [
      `always ${modules}/drivers/virtio/virtio_ring.ko`,
      `always ${modules}/drivers/virtio/virtio.ko`,
      `always ${modules}/drivers/virtio/virtio_pci.ko`,
      `always ${modules}/crypto/crc32c_generic.ko`,
      `always ${modules}/fs/ext4/ext4.ko`,
      `virtio:0002 ${modules}/drivers/block/virtio-blk.ko`,
    ],
  );
  assert.deepEqual(
    kernel.modules[1]?.module.content.bytes,
    new Uint8Array(moduleFile(["name=virtio", "depends=virtio_ring"])),
  );
  assert.deepEqual(kernel.builtIn, ["virtio_console"]);
  assert.ok(kernel.absent.includes("9p") && !kernel.absent.includes("ext4"));
});

test("a name that something built in answers to needs no module", async () => {
  const builtIn = file("lib/modules/6.1.0-test/modules.builtin.modinfo", "crc32c_intel.alias=crc32c\0");
  const kernel = await read([...files({ without: /modinfo$/ }), builtIn]);
  assert.ok(kernel.modules.every(({ module }) => module.name !== "crc32c_generic"));
});

test("modules below usr/lib are found, and go where the initrd has them", async () => {
  const moved = files().map(({ path, node }) => ({ path: path.replace(/^lib\//, "usr/lib/"), node }));
  const { modules: lines } = await read(moved);
  assert.ok(lines.length > 0 && lines.every(({ module }) => module.path.startsWith(modules)));
});

test("an arm64 kernel is unwrapped from gzip and from EFI's zboot", async () => {
  const zboot = Buffer.alloc(128);
  const packed = gzipSync(arm64Image());
  zboot.write("MZ\0\0zimg", 0);
  zboot.writeUInt32LE(128, 8);
  zboot.writeUInt32LE(packed.length, 12);
  zboot.write("gzip", 24);
  zboot.writeUInt32LE(0x40, 0x3c);
  zboot.write("PE\0\0\x64\xaa", 0x40, "latin1");
  for (const image of [arm64Image(), packed, Buffer.concat([zboot, packed])]) {
    const kernel = await read(files({ image }), "arm64");
    assert.equal(kernel.format, "Image");
    assert.deepEqual(kernel.image.bytes, new Uint8Array(arm64Image()));
  }
});

for (const [what, entries, code, named] of [
  ["no image", files({ without: /^boot/ }), "not-found", "one kernel image"],
  ["no modules directory", files({ without: /^lib/ }), "not-found", "lib/modules/<release>"],
  ["two releases", files({ more: [file("lib/modules/7.0/x", "")] }), "not-found", "7.0"],
  ["a kernel for another machine", files({ image: arm64Image() }), "unsupported", "arm64-image for arm64"],
  ["no disk driver", files({ without: /virtio-blk/ }), "unsupported", "virtio_blk"],
  ["no bus", files({ without: /virtio_pci/ }), "unsupported", "virtio_pci or virtio_mmio"],
  ["a dependency that is not there", files({ without: /virtio_ring/ }), "unresolvable", "virtio_ring"],
  [
    "a module that is none",
    [...files({ without: /ext4/ }), file(`${modules}/fs/ext4/ext4.ko`, "MZ")],
    "malformed",
    "ext4.ko",
  ],
] as const) {
  test(`a package with ${what} is refused`, async () => {
    await assert.rejects(
      read(entries),
      (error) => KelpieError.is(error) && error.code === code && error.message.includes(named),
    );
  });
}
