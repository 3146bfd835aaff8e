// Reads an image of the store again, byte by byte.

import { join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import { attachments } from "../attachments/attachments.ts";
import {
  type AttachmentName,
  imageFiles,
  type ImageMetadata,
  isAttachmentName,
  type StoredFileName,
} from "../metadata/image-metadata.ts";
import type { ImageStore, StoredImage } from "../store/image-store.ts";
import { hashFile } from "../store/verified.ts";
import { checkContent } from "./content-check.ts";

/** What was found of one file. */
export type FileVerdict =
  | { readonly file: StoredFileName; readonly kind: "intact" }
  | { readonly file: StoredFileName; readonly kind: "damaged"; readonly reason: KelpieError }
  /** An attachment that did not come along when the image was brought into the store. */
  | { readonly file: AttachmentName; readonly kind: "absent" };

/**
 * Holds every file of an image, and what stands beside it, against metadata.json.
 *
 * @throws KelpieError `malformed` where that cannot be read.
 */
export async function verifyImage(
  platform: Pick<Platform, "files">,
  store: ImageStore,
  image: StoredImage,
  signal?: AbortSignal,
): Promise<readonly FileVerdict[]> {
  return verifyFiles(platform, await store.metadata(image), image, signal);
}

/** As {@link verifyImage}, against metadata that was read already. */
export async function verifyFiles(
  { files }: Pick<Platform, "files">,
  metadata: ImageMetadata,
  image: StoredImage,
  signal?: AbortSignal,
): Promise<readonly FileVerdict[]> {
  const verdicts: FileVerdict[] = [];
  const attached = attachments(image, metadata);
  for (const { name: file } of [...imageFiles(metadata), ...attached]) {
    try {
      const path = join(image.directory, file);
      const status = await files.stat(path);
      if (status === undefined && isAttachmentName(file)) {
        verdicts.push({ file, kind: "absent" });
        continue;
      }
      if (status === undefined) throw new KelpieError("not-found", `${file} is missing`, { where: path });
      checkContent(metadata, file, await hashFile(files, path, status.sizeBytes, signal));
      verdicts.push({ file, kind: "intact" });
    } catch (reason) {
      if (!KelpieError.is(reason) || reason.code === "cancelled") throw reason;
      verdicts.push({ file, kind: "damaged", reason });
    }
  }
  return verdicts;
}
