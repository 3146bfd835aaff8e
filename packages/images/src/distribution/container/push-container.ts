// A container image into a repository.

import type { Platform } from "@kelpie/platform";
import type { StoredImage } from "../../store/image-store.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import { manifestMediaType } from "../oci/manifest.ts";
import { type BlobTarget, pushBlob, pushBytes } from "../oci/push-blob.ts";
import { containerImage } from "./container-image.ts";

/** Makes the container image of a stored image and pushes it without a tag. */
export async function pushContainer(
  platform: Platform,
  target: BlobTarget,
  image: StoredImage,
  signal: AbortSignal | undefined,
): Promise<BlobDescription> {
  await using scratch = await platform.files.temporaryDirectory("kelpie-container-");
  const { manifest, config, layers } = await containerImage(platform, image, scratch.path, signal);
  for (const layer of layers) await pushBlob(target, layer, layer.content, signal);
  await pushBytes(target, config.bytes, signal);
  const digest = await target.client.pushManifest(manifestMediaType, manifest.bytes, undefined, signal);
  return { digest, size: manifest.size };
}
