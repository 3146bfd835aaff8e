// The EFI zboot wrapper: a PE executable that decompresses the real kernel (drivers/firmware/efi/libstub/zboot-header.S).

import { type Architecture, KelpieError } from "@kelpie/platform";
import { type CompressionFormat, compressionFormat } from "../compression/format.ts";
import type { ZbootImage } from "./kernel-image.ts";
import { ImageView } from "./image-view.ts";

const dosMagic = 0x5a4d;
const zimgMagic = 0x676d697a; // "zimg"
const peMagic = 0x00004550;
const machines: ReadonlyMap<number, Architecture> = new Map([
  [0x8664, "amd64"],
  [0xaa64, "arm64"],
]);
const formatOfName: ReadonlyMap<string, CompressionFormat> = new Map([
  ["gzip", "gzip"],
  ["zstd", "zstd"],
  ["zstd22", "zstd"],
  ["xzkern", "xz"],
  ["lz4", "lz4-legacy"],
]);
const maxNameBytes = 32;

/** Whether the bytes begin as a zboot image does. */
export function isZboot(bytes: Uint8Array): boolean {
  const view = new ImageView(bytes);
  return view.u16(0) === dosMagic && view.u32(4) === zimgMagic;
}

/** Reads the header. @throws KelpieError `malformed`, `unsupported` (another machine or compression) */
export function parseZboot(bytes: Uint8Array, where: string): ZbootImage {
  const view = new ImageView(bytes);
  const offset = view.u32(8) ?? 0;
  const sizeBytes = view.u32(12) ?? 0;
  if (sizeBytes === 0 || offset + sizeBytes > bytes.length) {
    throw new KelpieError("malformed", "Cannot read an EFI zboot image", {
      expected: `a payload within ${bytes.length} bytes`,
      found: `${sizeBytes} bytes at ${offset}`,
      where,
    });
  }
  const peOffset = view.u32(0x3c) ?? 0;
  if (view.u32(peOffset) !== peMagic) {
    throw new KelpieError("malformed", "Cannot read an EFI zboot image", {
      expected: "a PE header",
      found: `none at ${peOffset}`,
      where,
    });
  }
  const machine = view.u16(peOffset + 4) ?? 0;
  const architecture = machines.get(machine);
  const name = view.text(24, maxNameBytes);
  const compression = formatOfName.get(name);
  if (architecture === undefined || compression === undefined) {
    throw new KelpieError("unsupported", "An EFI zboot image is of a kind that is not known", {
      expected: `machine 0x8664 or 0xaa64, compression ${[...formatOfName.keys()].join(", ")}`,
      found: `machine 0x${machine.toString(16)}, compression ${JSON.stringify(name)}`,
      where,
    });
  }
  const found = compressionFormat(bytes.subarray(offset));
  if (found !== compression) {
    throw new KelpieError("malformed", "An EFI zboot image is not compressed as it says", {
      expected: compression,
      found,
      where,
    });
  }
  return { kind: "zboot", architecture, payload: { offset, sizeBytes, compression } };
}
