// Reads what stands beside an image, and only what its metadata says.

import { createHash } from "node:crypto";
import { KelpieError, type Platform } from "@kelpie/platform";
import { checkContent } from "../distribution/content-check.ts";
import type { AttachmentName, ImageMetadata } from "../metadata/image-metadata.ts";
import { attachments, maxAttachmentBytes } from "./attachments.ts";

/**
 * The bytes of one attachment, verified.
 *
 * @throws KelpieError `not-found` where the image has none or came without it, `digest-mismatch`.
 */
export async function readAttachment(
  { files }: Pick<Platform, "files">,
  image: { readonly directory: string },
  metadata: ImageMetadata,
  name: AttachmentName,
): Promise<Uint8Array> {
  const attachment = attachments(image, metadata).find((each) => each.name === name);
  if (attachment === undefined || (await files.stat(attachment.path)) === undefined) {
    const help =
      attachment === undefined
        ? "It was built before Kelpie wrote one: build it again by `kelpie images build`."
        : "It was brought here without: build it again by `kelpie images rebuild --verify`, or pull it again.";
    const where = `${metadata.name} ${metadata.version} ${metadata.architecture}`;
    throw new KelpieError("not-found", `The image has no ${name}`, { where, help });
  }
  const bytes = await files.readFile(attachment.path, maxAttachmentBytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  checkContent(metadata, name, { sizeBytes: bytes.length, sha256 });
  return bytes;
}
