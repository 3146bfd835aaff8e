// The header of an arm64 kernel (Documentation/arch/arm64/booting.rst, "Call the kernel image").

import type { Arm64Image } from "./kernel-image.ts";
import { ImageView } from "./image-view.ts";

const magic = 0x644d5241; // "ARM\x64"
const dosMagic = 0x5a4d; // "MZ", which is an instruction that does no harm
const pageSizes = [undefined, 4096, 16384, 65536] as const;

/** The image if it is an arm64 Image, or undefined. */
export function parseArm64Image(bytes: Uint8Array): Arm64Image | undefined {
  const view = new ImageView(bytes);
  const flags = view.u64(24);
  if (flags === undefined || view.u32(56) !== magic) return undefined;
  return {
    kind: "arm64-image",
    architecture: "arm64",
    textOffset: view.u64(8) ?? 0n,
    imageSizeBytes: view.u64(16) ?? 0n,
    pageSizeBytes: pageSizes[Number((flags >> 1n) & 3n)],
    hasEfiStub: view.u16(0) === dosMagic,
  };
}
