// Pushes what refers to a manifest: signatures, bills of materials, provenance (OCI distribution specification 1.1,
// "Pushing Manifests with Subject").

import { KelpieError } from "@kelpie/platform";
import type { BlobDescription } from "./blob-download.ts";
import type { Digest } from "./digest.ts";
import { referrersTag } from "./list-referrers.ts";
import {
  type Descriptor,
  type Index,
  indexMediaType,
  manifestBytes,
  manifestMediaType,
  parseIndex,
} from "./manifest.ts";
import { type BlobTarget, pushBytes } from "./push-blob.ts";
import type { RegistryClient } from "./registry-client.ts";

const emptyMediaType = "application/vnd.oci.empty.v1+json";
const emptyBytes = new TextEncoder().encode("{}");

/** A file that refers to a manifest. */
export interface Referrer {
  readonly artifactType: string;
  /** The file's name. */
  readonly title: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Pushes a file that refers to `subject`, and puts it into the tag's list where the registry keeps no list itself. */
export async function pushReferrer(
  target: BlobTarget,
  subject: BlobDescription,
  { artifactType, title, mediaType, bytes }: Referrer,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { client } = target;
  const config = await pushBytes(target, emptyBytes, signal);
  const layer = await pushBytes(target, bytes, signal);
  const manifest = manifestBytes({
    schemaVersion: 2,
    mediaType: manifestMediaType,
    artifactType,
    config: { mediaType: emptyMediaType, ...config },
    layers: [{ mediaType, ...layer, annotations: { "org.opencontainers.image.title": title } }],
    subject: { mediaType: manifestMediaType, ...subject },
  });
  const { digest, isListed } = await client.pushManifestWithSubject(manifest, signal);
  if (isListed) return;
  await addToTag(
    client,
    subject.digest,
    {
      mediaType: manifestMediaType,
      digest,
      size: manifest.length,
      artifactType,
    },
    signal,
  );
}

/** Two who do this for one subject at the same time can lose one of the two: the tag scheme has no remedy for that. */
async function addToTag(
  client: RegistryClient,
  subject: Digest,
  own: Descriptor,
  signal: AbortSignal | undefined,
): Promise<void> {
  const tag = referrersTag(subject);
  const found = await client.fetchManifest({ kind: "tag", tag }, signal);
  if (found !== undefined && found.mediaType !== indexMediaType)
    throw new KelpieError("already-exists", "The tag for referrers is taken by something else", {
      where: tag,
    });
  const index: Index =
    found === undefined
      ? { schemaVersion: 2, mediaType: indexMediaType, manifests: [] }
      : parseIndex(found.bytes, tag);
  if (index.manifests.some(({ digest }) => digest === own.digest)) return;
  const bytes = manifestBytes({ ...index, manifests: [...index.manifests, own] });
  await client.pushManifest(indexMediaType, bytes, tag, signal);
}
