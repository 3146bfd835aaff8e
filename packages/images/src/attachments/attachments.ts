// What stands beside an image and is no part of a boot: bills of materials and provenance.

import { join } from "node:path";
import { type AttachmentName, attachmentNames, type ImageMetadata } from "../metadata/image-metadata.ts";

const mediaTypes: Readonly<Record<AttachmentName, string>> = {
  "sbom.spdx.json": "application/spdx+json",
  "sbom.cdx.json": "application/vnd.cyclonedx+json",
  "provenance.intoto.json": "application/vnd.in-toto+json",
};

/** Largest attachment that is read: a bill of materials names every file of the image. */
export const maxAttachmentBytes = 512 << 20;

/** One file beside an image. */
export interface Attachment {
  readonly name: AttachmentName;
  readonly mediaType: string;
  /** Where it stands, if it is there: an image that was pulled may have been pulled without. */
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: `sha256:${string}`;
}

/** What metadata.json says stands beside the image; nothing for an image that was built before there was any of it. */
export function attachments(
  image: { readonly directory: string },
  { attachments: stated = {} }: Pick<ImageMetadata, "attachments">,
): readonly Attachment[] {
  return attachmentNames.flatMap((name): Attachment[] => {
    const file = stated[name];
    if (file === undefined) return [];
    const { sizeBytes, sha256 } = file;
    const path = join(image.directory, name);
    return [{ name, mediaType: mediaTypes[name], path, sizeBytes, digest: `sha256:${sha256}` }];
  });
}
