// The setup header of an x86 kernel (Documentation/arch/x86/boot.rst, "The Real-Mode Kernel Header").

import { KelpieError } from "@kelpie/platform";
import { compressionFormat } from "../compression/format.ts";
import type { BzImage } from "./kernel-image.ts";
import { ImageView } from "./image-view.ts";

const bootFlag = 0xaa55;
const headerMagic = 0x53726448; // "HdrS"
const sectorBytes = 512;
/** The first version that tells where the payload is. */
const firstProtocolWithPayload = 0x0208;
const defaultSetupSectors = 4;
const loadedHigh = 1;
const maxVersionBytes = 512;

/** The image if it is an x86 kernel, or undefined. @throws KelpieError `malformed`, `unsupported` (an old protocol) */
export function parseBzImage(bytes: Uint8Array, where: string): BzImage | undefined {
  const view = new ImageView(bytes);
  if (view.u16(0x1fe) !== bootFlag || view.u32(0x202) !== headerMagic) return undefined;
  const protocol = view.u16(0x206) ?? 0;
  const isHigh = ((bytes[0x211] ?? 0) & loadedHigh) !== 0;
  if (protocol < firstProtocolWithPayload || !isHigh) {
    throw new KelpieError("unsupported", "An x86 kernel is too old", {
      expected: "a bzImage of boot protocol 2.08 or newer",
      found: `${isHigh ? "bzImage" : "zImage"} of ${protocol >> 8}.${protocol & 0xff}`,
      where,
    });
  }
  const setupSectors = bytes[0x1f1] ?? 0;
  const protectedModeOffset = ((setupSectors === 0 ? defaultSetupSectors : setupSectors) + 1) * sectorBytes;
  const offset = protectedModeOffset + (view.u32(0x248) ?? 0);
  const sizeBytes = view.u32(0x24c) ?? 0;
  if (sizeBytes === 0 || offset + sizeBytes > bytes.length) {
    throw new KelpieError("malformed", "Cannot read a bzImage", {
      expected: `a payload within ${bytes.length} bytes`,
      found: `${sizeBytes} bytes at ${offset}`,
      where,
    });
  }
  const versionPointer = view.u16(0x20e) ?? 0;
  return {
    kind: "bzimage",
    architecture: "amd64",
    protocol,
    version: versionPointer === 0 ? undefined : view.text(versionPointer + 0x200, maxVersionBytes),
    preferredAddress: view.u64(0x258) ?? 0n,
    initSizeBytes: view.u32(0x260) ?? 0,
    isRelocatable: bytes[0x234] === 1,
    payload: { offset, sizeBytes, compression: compressionFormat(bytes.subarray(offset)) },
  };
}
