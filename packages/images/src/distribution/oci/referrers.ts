// What refers to a manifest: signatures, bills of materials, provenance (OCI distribution specification 1.1, "Listing
// Referrers", and the tag that stands in for it where a registry does not know it).

import { collect } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import type { Attempt } from "@kelpie/repositories";
import type { BlobDescription } from "./blob-download.ts";
import type { Digest } from "./digest.ts";
import {
  type Descriptor,
  type Index,
  indexMediaType,
  manifestBytes,
  manifestMediaType,
  maxManifestBytes,
  parseIndex,
} from "./manifest.ts";
import { type BlobTarget, pushBytes } from "./push-blob.ts";
import type { RegistryClient } from "./registry-client.ts";
import { refused, type RegistryHttp } from "./registry-http.ts";

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

/** The tag that lists the referrers of a manifest in registries without the API for it. */
export function referrersTag(subject: Digest): string {
  return subject.replace(":", "-");
}

/** The answer of the API; undefined where the registry has none. */
export function askReferrers(
  http: RegistryHttp,
  subject: Digest,
  signal?: AbortSignal,
): Promise<readonly Descriptor[] | undefined> {
  const request = { target: `referrers/${subject}`, headers: { accept: indexMediaType }, signal };
  return http.retried(signal, () =>
    http.once(request, async (response): Promise<Attempt<readonly Descriptor[] | undefined>> => {
      if (response.status === 404) return { kind: "done", value: undefined };
      if (response.status !== 200) return await refused(response);
      const bytes = await collect(response.body, maxManifestBytes, "A list of referrers");
      return { kind: "done", value: parseIndex(bytes, response.url).manifests };
    }),
  );
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
