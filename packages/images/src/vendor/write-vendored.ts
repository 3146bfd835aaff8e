// What was vendored as an OCI artifact: into an image layout on the disk, or a registry.

import { fileSource, type SeekableSource } from "@kelpie/formats";
import { KelpieError, type Platform, randomHex } from "@kelpie/platform";
import type { BlobDescription } from "../distribution/oci/blob-download.ts";
import { type Digest, digestOf, parseDigest } from "../distribution/oci/digest.ts";
import {
  blobFile,
  blobPath,
  eachOnce,
  layoutHead,
  requireRoomForLayout,
  writeLayout,
} from "../distribution/oci/layout.ts";
import { type Descriptor, manifestBytes, manifestMediaType } from "../distribution/oci/manifest.ts";
import { pushBlob, pushBytes } from "../distribution/oci/push-blob.ts";
import { formatReference, type RepositoryName } from "../distribution/oci/reference.ts";
import { RegistryClient } from "../distribution/oci/registry-client.ts";
import type { TransferOptions } from "../distribution/oci/registry-http.ts";
import { sha256Of } from "../plan/host-files.ts";
import { type ImageLock, lockText } from "../plan/lock.ts";
import { encodeVendored, vendorArtifactType } from "./vendored-manifest.ts";

/** A file that was kept: its relative place, and where it lies for now. */
export interface KeptFile {
  readonly place: string;
  readonly path: string;
}

interface Artifact {
  readonly manifest: Uint8Array;
  readonly lock: Uint8Array;
  readonly files: readonly (BlobDescription & { readonly content: SeekableSource })[];
}

/** The same lock and files give the same artifact. */
async function artifactOf(
  { files }: Pick<Platform, "files">,
  lock: ImageLock,
  kept: readonly KeptFile[],
): Promise<Artifact> {
  const blobs = new Map<string, BlobDescription & { readonly content: SeekableSource }>();
  for (const { place, path } of kept.toSorted((a, b) => (a.place < b.place ? -1 : 1))) {
    const digest = parseDigest(await sha256Of(files, path));
    const size = (await files.stat(path))?.sizeBytes;
    if (digest === undefined || size === undefined)
      throw new KelpieError("not-found", "A file that was to be kept is gone", { where: path });
    blobs.set(place, { digest, size, content: fileSource(files, path, 0, size) });
  }
  const text = new TextEncoder().encode(lockText(lock));
  const described = new Map([...blobs].map(([place, { digest, size }]) => [place, { digest, size }]));
  const contents = { lock: { digest: digestOf(text), size: text.length }, files: described };
  return { manifest: manifestBytes(encodeVendored(contents)), lock: text, files: [...blobs.values()] };
}

/**
 * Writes an artifact into an image layout of its own. Returns the digest of its manifest.
 *
 * @throws KelpieError `already-exists` where something stands there already.
 */
export async function writeVendoredLayout(
  platform: Pick<Platform, "files" | "random">,
  directory: string,
  lock: ImageLock,
  kept: readonly KeptFile[],
  signal?: AbortSignal,
): Promise<Digest> {
  const { files, random } = platform;
  await requireRoomForLayout(files, directory);
  const artifact = await artifactOf(platform, lock, kept);
  const { manifest, lock: text } = artifact;
  const described = { digest: digestOf(manifest), size: manifest.length };
  const named: Descriptor = {
    mediaType: manifestMediaType,
    artifactType: vendorArtifactType,
    ...described,
    annotations: { "org.opencontainers.image.ref.name": "vendored" },
  };
  const unfinished = `${directory.replace(/(?<=.)\/+$/, "")}.${randomHex(random, 6)}.part`;
  try {
    const blobs = artifact.files.map(({ digest, content }) => ({ path: blobPath(digest), content }));
    const documents = [
      blobFile(described, manifest),
      blobFile({ digest: digestOf(text), size: text.length }, text),
    ];
    const layout = [...layoutHead([named]), ...eachOnce([...documents, ...blobs])];
    await writeLayout(files, unfinished, layout, signal);
    await files.rename(unfinished, directory);
  } catch (error) {
    await files.remove(unfinished);
    throw error;
  }
  return described.digest;
}

/** Pushes an artifact under a tag made of its digest. Returns its reference by digest, which is what to build from. */
export async function pushVendored(
  platform: Platform,
  repository: RepositoryName,
  lock: ImageLock,
  kept: readonly KeptFile[],
  options: { readonly transfer?: TransferOptions; readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const { signal } = options;
  const client = new RegistryClient(platform, repository, "push", options.transfer);
  const artifact = await artifactOf(platform, lock, kept);
  for (const file of artifact.files) await pushBlob({ client }, file, file.content, signal);
  await pushBytes({ client }, artifact.lock, signal);
  const digest = digestOf(artifact.manifest);
  // Registries may drop what no tag names.
  const tag = `vendored-${digest.slice("sha256:".length, "sha256:".length + 12)}`;
  await client.pushManifest(manifestMediaType, artifact.manifest, tag, signal);
  return formatReference({ ...repository, target: { kind: "digest", digest } });
}
