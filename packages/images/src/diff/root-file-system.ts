// An image's root file system, opened to be looked at.

import { type Ext4Contents, fileSource, readExt4 } from "@kelpie/formats";
import { type Files, KelpieError } from "@kelpie/platform";
import { imageFile, type StoredImage } from "../store/image-store.ts";

/** Reads the names and metadata of an image's root file system. @throws KelpieError `not-found`, and as `readExt4`. */
export async function openRootfs(
  files: Pick<Files, "open" | "stat">,
  image: StoredImage,
  signal?: AbortSignal,
): Promise<Ext4Contents> {
  const where = imageFile(image, "rootfs.ext4");
  const status = await files.stat(where);
  if (status === undefined)
    throw new KelpieError("not-found", "The image has no root file system", { where });
  return readExt4(fileSource(files, where, 0, status.sizeBytes), { where, signal });
}
