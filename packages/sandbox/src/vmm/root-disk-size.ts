// How large a guest sees its root disk.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { VmSpec } from "./vmm.ts";

const sectorBytes = 512;

/** What was asked for, at least the image's size, in whole sectors. `not-found` */
export async function rootDiskBytes(
  files: Pick<Platform["files"], "stat">,
  { image, diskBytes = 0 }: Pick<VmSpec, "image" | "diskBytes">,
): Promise<number> {
  const rootfs = await files.stat(image.rootfs);
  if (rootfs === undefined) throw new KelpieError("not-found", `There is no ${image.rootfs}`);
  return Math.ceil(Math.max(diskBytes, rootfs.sizeBytes) / sectorBytes) * sectorBytes;
}
