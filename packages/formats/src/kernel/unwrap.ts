// Takes a kernel image out of its compressed wrappings.

import { KelpieError } from "@kelpie/platform";
import { bytesSource } from "../byte-source.ts";
import { decompress } from "../compression/decompress.ts";
import type { CompressionFormat } from "../compression/format.ts";
import { collect } from "../stream/collect.ts";
import { identifyKernel } from "./identify.ts";
import type { KernelPayload } from "./kernel-image.ts";

/** A kernel larger than this is refused. */
export const maxKernelBytes = 256 * 1024 * 1024;

const maxWrappings = 4;
/** The kernel's build puts the decompressed size behind a bzImage's payload, except gzip's, which ends with it anyway. */
const appendedSizeBytes = 4;

/**
 * The image that a VMM can load: a zboot or compressed image's content (unwrapped until none is left), anything else as it is.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsupported` (a compression that is not known).
 */
export async function unwrapKernel(bytes: Uint8Array, where = "a kernel image"): Promise<Uint8Array> {
  let inner = bytes;
  for (let wrappings = 0; wrappings < maxWrappings; wrappings += 1) {
    const image = identifyKernel(inner, where);
    switch (image.kind) {
      case "bzimage":
      case "arm64-image":
      case "elf":
        return inner;
      case "zboot": {
        const { offset, sizeBytes, compression } = image.payload;
        inner = await content(inner.subarray(offset, offset + sizeBytes), compression, where);
        break;
      }
      case "compressed":
        inner = await content(inner, image.compression, where);
        break;
      default:
        image satisfies never;
    }
  }
  throw new KelpieError("malformed", "A kernel image is wrapped too often", {
    expected: `at most ${maxWrappings} wrappings`,
    where,
  });
}

/**
 * The ELF vmlinux inside a bzImage.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsupported` (not a bzImage, or a compression that is not known).
 */
export async function extractVmlinux(bytes: Uint8Array, where = "a kernel image"): Promise<Uint8Array> {
  const image = identifyKernel(bytes, where);
  if (image.kind !== "bzimage") {
    throw new KelpieError("unsupported", "Only a bzImage has a vmlinux inside", { found: image.kind, where });
  }
  const vmlinux = await bzImagePayload(bytes, image.payload, where);
  const inner = identifyKernel(vmlinux, where);
  if (inner.kind !== "elf") {
    throw new KelpieError("malformed", "A bzImage has something else inside", {
      expected: "an ELF vmlinux",
      found: inner.kind,
      where,
    });
  }
  return vmlinux;
}

async function bzImagePayload(
  bytes: Uint8Array,
  { offset, sizeBytes, compression }: KernelPayload,
  where: string,
): Promise<Uint8Array> {
  const payload = bytes.subarray(offset, offset + sizeBytes);
  if (compression === "none" || compression === "gzip" || sizeBytes < appendedSizeBytes) {
    return content(payload, compression, where);
  }
  const compressed = payload.subarray(0, -appendedSizeBytes);
  const unpacked = await content(compressed, compression, where);
  const statedBytes = Buffer.from(payload.subarray(-appendedSizeBytes)).readUInt32LE();
  if (statedBytes !== unpacked.length) {
    throw new KelpieError("malformed", "A kernel's payload is not as long as it says", {
      expected: `${statedBytes} bytes`,
      found: `${unpacked.length}`,
      where,
    });
  }
  return unpacked;
}

function content(bytes: Uint8Array, compression: CompressionFormat, where: string): Promise<Uint8Array> {
  if (compression === "none") {
    throw new KelpieError("unsupported", "A kernel is compressed in a way that is not known", {
      expected: "gzip, xz, zstd or lz4",
      found: Buffer.from(bytes.subarray(0, 6)).toString("hex"),
      where,
    });
  }
  const unpacked = decompress(bytesSource(bytes).open(), {
    format: compression,
    maxOutputBytes: maxKernelBytes,
    where,
  });
  return collect(unpacked, maxKernelBytes, "A kernel");
}
