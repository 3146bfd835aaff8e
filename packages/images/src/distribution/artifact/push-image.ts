// From the store to a registry.

import { join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import {
  imageFileNames,
  type ImageMetadata,
  maxMetadataBytes,
  parseImageMetadata,
} from "../../metadata/image-metadata.ts";
import { imageFile, type StoredImage } from "../../store/image-store.ts";
import { ContentCheck } from "../content-check.ts";
import { mapAhead } from "../map-ahead.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { type Index, indexMediaType, manifestBytes, manifestMediaType, parseIndex } from "../oci/manifest.ts";
import { checkTag, formatReference, type RepositoryName } from "../oci/reference.ts";
import { RegistryClient } from "../oci/registry-client.ts";
import type { TransferOptions } from "../oci/registry-http.ts";
import { type OnTransfer, TransferMeter } from "../progress.ts";
import { compressPart } from "./compression.ts";
import { type CutPart, cutFile } from "./cut.ts";
import { emptyIndex, withImage } from "./image-index.ts";
import { encodeImageManifest, type ImagePart } from "./image-manifest.ts";

/** Compressing and sending go on side by side. */
const width = 4;

export interface PushOptions {
  readonly platform: Platform;
  /** Images of one version, each for another architecture. */
  readonly images: readonly StoredImage[];
  readonly repository: RepositoryName;
  /** Further tags beside the version. */
  readonly tags?: readonly string[];
  /** Another repository of the same registry that may have parts already. */
  readonly mountFrom?: string | undefined;
  readonly onProgress?: OnTransfer;
  readonly transfer?: TransferOptions;
  readonly signal?: AbortSignal | undefined;
}

export interface PushedImages {
  /** With the version as its tag. */
  readonly reference: string;
  /** Of the index. */
  readonly digest: Digest;
  readonly networkBytes: number;
}

/**
 * Pushes images and puts them into the index behind their version's tag. What the registry has is not sent again, and
 * images for other architectures stay in the index.
 *
 * @throws KelpieError `digest-mismatch` where the store's files are not what their metadata says, `already-exists` where
 * the tag holds something else than an index, and what a transfer can fail with.
 */
export async function pushImages(options: PushOptions): Promise<PushedImages> {
  const { platform, images, repository, tags = [], transfer, signal } = options;
  const client = new RegistryClient(platform, repository, "push", transfer);
  const totalBytes = images.reduce((total, image) => total + image.sizeBytes, 0);
  const meter = new TransferMeter(totalBytes, options.onProgress);
  const pushed = [];
  for (const image of images) pushed.push(await pushImage(options, client, image, meter));
  const [first] = pushed;
  const version = first?.metadata.version;
  if (version === undefined || pushed.some(({ metadata }) => metadata.version !== version))
    throw new KelpieError("internal", "Images of one push must have one version");

  let digest: Digest | undefined;
  for (const tag of [version, ...tags.map(checkTag)]) {
    let index = await currentIndex(client, repository, tag, signal);
    // A moving tag that was at another version leaves nothing of it behind.
    if (tag !== version) index = emptyIndex;
    for (const { metadata, manifest } of pushed)
      index = withImage(index, metadata.architecture, manifest, version);
    const stored = await client.pushManifest(indexMediaType, manifestBytes(index), tag, signal);
    digest ??= stored;
  }
  if (digest === undefined) throw new KelpieError("internal", "A push has no tag");
  const reference = formatReference({ ...repository, target: { kind: "tag", tag: version } });
  return { reference, digest, networkBytes: meter.networkBytes };
}

async function currentIndex(
  client: RegistryClient,
  repository: RepositoryName,
  tag: string,
  signal: AbortSignal | undefined,
): Promise<Index> {
  const target = { kind: "tag", tag } as const;
  const found = await client.fetchManifest(target, signal);
  if (found === undefined) return emptyIndex;
  const where = formatReference({ ...repository, target });
  if (found.mediaType === indexMediaType) return parseIndex(found.bytes, where);
  throw new KelpieError("already-exists", "The tag is taken by something else than a Kelpie image", {
    expected: indexMediaType,
    found: found.mediaType,
    where,
  });
}

async function pushImage(
  options: PushOptions,
  client: RegistryClient,
  image: StoredImage,
  meter: TransferMeter,
): Promise<{ readonly metadata: ImageMetadata; readonly manifest: BlobDescription }> {
  const { platform, signal } = options;
  const path = join(image.directory, "metadata.json");
  const config = await platform.files.readFile(path, maxMetadataBytes);
  const metadata = parseImageMetadata(config, path);
  const parts: ImagePart[] = [];
  const push = (part: SourcePart, stop: AbortSignal): Promise<ImagePart> =>
    pushPart(options, client, part, meter, stop);
  for await (const part of mapAhead(partsOf(platform, image, metadata, signal), width, signal, push)) {
    parts.push(part);
    meter.done(part.sizeBytes);
  }
  const configBlob = await pushBlob(options, client, config, meter, signal);
  const bytes = manifestBytes(encodeImageManifest(metadata, configBlob, parts));
  const digest = await client.pushManifest(manifestMediaType, bytes, undefined, signal);
  return { metadata, manifest: { digest, size: bytes.length } };
}

interface SourcePart extends CutPart {
  readonly file: ImagePart["file"];
}

/** The parts of an image's files, which are checked as a whole while they are read. */
async function* partsOf(
  { files }: Platform,
  image: StoredImage,
  metadata: ImageMetadata,
  signal: AbortSignal | undefined,
): AsyncGenerator<SourcePart, void, undefined> {
  for (const file of imageFileNames) {
    const check = new ContentCheck(metadata, file);
    for await (const part of cutFile(files, imageFile(image, file), file, signal)) {
      check.add(part.bytes);
      yield { ...part, file };
    }
    check.finish();
  }
}

async function pushPart(
  options: PushOptions,
  client: RegistryClient,
  part: SourcePart,
  meter: TransferMeter,
  signal: AbortSignal,
): Promise<ImagePart> {
  const { file, offset, bytes, sha256 } = part;
  const blob = await pushBlob(options, client, await compressPart(bytes), meter, signal);
  return { file, offset, sizeBytes: bytes.length, sha256, blob };
}

async function pushBlob(
  { mountFrom }: PushOptions,
  client: RegistryClient,
  bytes: Uint8Array,
  meter: TransferMeter,
  signal: AbortSignal | undefined,
): Promise<BlobDescription> {
  const digest = digestOf(bytes);
  const blob = { digest, size: bytes.length };
  if (await client.hasBlob(digest, signal)) return blob;
  if (mountFrom !== undefined && (await client.mountBlob(digest, mountFrom, signal))) return blob;
  await client.pushBlob(digest, bytes, { signal, onBytes: meter.network });
  return blob;
}
