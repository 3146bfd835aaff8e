// A blob into a repository, unless it is there or can be taken over from another one.

import type { BlobDescription } from "./blob-download.ts";
import type { BlobContent } from "./blob-upload.ts";
import { digestOf } from "./digest.ts";
import type { RegistryClient } from "./registry-client.ts";

/** Where blobs are pushed to. */
export interface BlobTarget {
  readonly client: RegistryClient;
  /** Another repository of the same registry that may have the blob. */
  readonly mountFrom?: string | undefined;
  /** Called with the number of bytes that just went over the network. */
  readonly onBytes?: (count: number) => void;
}

/** Puts a blob into the repository, sending it only where it must be sent. */
export async function pushBlob(
  { client, mountFrom, onBytes }: BlobTarget,
  { digest }: BlobDescription,
  content: BlobContent,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (await client.hasBlob(digest, signal)) return;
  if (mountFrom !== undefined && (await client.mountBlob(digest, mountFrom, signal))) return;
  await client.pushBlob(digest, content, { signal, onBytes });
}

/** As {@link pushBlob}, of bytes in memory, whose description it returns. */
export async function pushBytes(
  target: BlobTarget,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<BlobDescription> {
  const blob = { digest: digestOf(bytes), size: bytes.length };
  await pushBlob(target, blob, bytes, signal);
  return blob;
}
