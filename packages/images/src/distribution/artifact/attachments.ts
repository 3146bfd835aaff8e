// Bills of materials and provenance in a registry: referrers of the image's manifest, for every tool to find, and blobs
// whose digests the image's metadata has, for us.

import { KelpieError, type Platform } from "@kelpie/platform";
import { attachments } from "../../attachments/attachments.ts";
import type { ImageMetadata } from "../../metadata/image-metadata.ts";
import type { StoredImage } from "../../store/image-store.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import type { BlobTarget } from "../oci/push-blob.ts";
import { pushReferrer } from "../oci/push-referrer.ts";
import type { RegistryClient } from "../oci/registry-client.ts";

/** A blob is held in memory. */
const maxBytes = 64 << 20;

/** Pushes what stands beside an image as referrers of its manifest. */
export async function pushAttachments(
  { files }: Platform,
  target: BlobTarget,
  image: StoredImage,
  metadata: ImageMetadata,
  manifest: BlobDescription,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { name, mediaType, path, sizeBytes } of attachments(image, metadata)) {
    if (sizeBytes > maxBytes || (await files.stat(path)) === undefined) continue;
    const bytes = await files.readFile(path, sizeBytes);
    await pushReferrer(target, manifest, { artifactType: mediaType, title: name, mediaType, bytes }, signal);
  }
}

/** Fetches into `directory` what the registry has of it; the metadata says what it must be. */
export async function pullAttachments(
  { files }: Platform,
  client: RegistryClient,
  directory: string,
  metadata: ImageMetadata,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { path, digest, sizeBytes } of attachments({ directory }, metadata)) {
    if (sizeBytes > maxBytes) continue;
    try {
      const bytes = await client.fetchBlob({ digest, size: sizeBytes }, { signal });
      await using handle = await files.open(path, "create", 0o644);
      await handle.write(bytes, 0);
      await handle.sync();
    } catch (error) {
      // An image may have been pushed without them.
      if (!(KelpieError.is(error) && error.code === "not-found")) throw error;
    }
  }
}
