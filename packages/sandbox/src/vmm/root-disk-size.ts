// How large a guest sees its root disk.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { VmSpec } from "./vmm.ts";

const sectorBytes = 512;

/** What was asked for, or the image's own size, in whole sectors. `not-found`; `invalid-input` for less than the image has. */
export async function rootDiskBytes(
  files: Pick<Platform["files"], "stat">,
  { image, diskBytes }: Pick<VmSpec, "image" | "diskBytes">,
): Promise<number> {
  const rootfs = await files.stat(image.rootfs);
  if (rootfs === undefined) throw new KelpieError("not-found", `There is no ${image.rootfs}`);
  const { sizeBytes } = rootfs;
  if (diskBytes !== undefined && diskBytes < sizeBytes) {
    throw new KelpieError("invalid-input", "The image does not fit on a root disk of this size", {
      expected: `at least ${sizeBytes} bytes`,
      found: `${diskBytes}`,
      help: `Ask for ${Math.ceil(sizeBytes / 1e6)}M or more, or leave --disk (diskBytes) out.`,
    });
  }
  return Math.ceil((diskBytes ?? sizeBytes) / sectorBytes) * sectorBytes;
}
