// From a registry into the store.

import { join } from "node:path";
import type { ByteSink } from "@kelpie/formats";
import { type Architecture, KelpieError, type Platform } from "@kelpie/platform";
import { writeImageFile } from "../../build/file-sink.ts";
import {
  imageFiles,
  type ImageMetadata,
  parseImageMetadata,
  serializeImageMetadata,
} from "../../metadata/image-metadata.ts";
import { ImageStore, type StoredImage } from "../../store/image-store.ts";
import { checkTrust } from "../../trust/check-trust.ts";
import { formatImageVersion, tryParseImageVersion } from "../../version/image-version.ts";
import { checkContent } from "../content-check.ts";
import { fetchOnce } from "../fetch-once.ts";
import type { FetchOptions } from "../fetch-options.ts";
import { mapAhead } from "../map-ahead.ts";
import { type Digest, digestOf } from "../oci/digest.ts";
import { indexMediaType, manifestMediaType, parseIndex, parseManifest } from "../oci/manifest.ts";
import { formatReference, type RegistryReference } from "../oci/reference.ts";
import { type FetchedManifest, RegistryClient } from "../oci/registry-client.ts";
import { TransferMeter } from "../progress.ts";
import { writeSparse } from "../sparse.ts";
import { pullAttachments } from "./attachments.ts";
import { imageOf } from "./image-index.ts";
import { checkSizes, decodeImageManifest, type ImageContents } from "./image-manifest.ts";
import { KeptBlobs } from "./kept-blobs.ts";
import { localParts, type PartContent, PartSource } from "./part-source.ts";
import { releaseBytes } from "./release-bytes.ts";
import { findSignatures } from "./signatures.ts";

const width = 6;

export interface PullOptions extends FetchOptions {
  readonly reference: RegistryReference;
}

export interface PulledImage {
  readonly image: StoredImage;
  /** Of the image's manifest. */
  readonly digest: Digest;
  /** Whether the store had it, from an earlier pull or from another process that we waited for. */
  readonly wasThere: boolean;
  readonly networkBytes: number;
}

/**
 * Pulls an image for one architecture into the store, where it appears whole and verified, or not at all. Of several
 * processes that ask for the same image one pulls and the others wait. A pull that was interrupted goes on where it was.
 *
 * @throws KelpieError `not-found`, `digest-mismatch`, `malformed`, `unsupported` for something else than an image,
 * `untrusted-key` where the trust policy refuses it, and what a transfer can fail with.
 */
export async function pullImage(options: PullOptions): Promise<PulledImage> {
  const { platform, home, reference, architecture, transfer, signal } = options;
  const client = new RegistryClient(platform, reference, "pull", transfer);
  const where = formatReference(reference);
  const found = await findManifest(client, reference, architecture, signal);
  const verdict = await checkTrust({
    platform,
    home,
    place: `${reference.host}/${reference.name}`,
    content: found.bytes,
    signatures: () => findSignatures(client, found.digest, signal),
  });
  options.onTrust?.(verdict);
  const contents = decodeImageManifest(parseManifest(found.bytes, where), where);
  const config = await client.fetchBlob(contents.config, { signal });
  const metadata = checkMetadata(config, contents, reference, architecture);

  const store = new ImageStore(platform, home);
  const pulls = join(home, "cache/pulls");
  const name = `${metadata.version}.${architecture}`;
  await platform.files.makeDirectory(pulls);
  const purpose = `pulling ${where}`;
  return await fetchOnce(
    { ...options, lockPath: join(pulls, `${name}.lock`), purpose },
    async (onProgress) => {
      const cache = join(pulls, name);
      const there = await findSame(store, metadata, signal);
      if (there !== undefined) {
        // Who brought it may have died before it could do that.
        await platform.files.remove(cache);
        return { image: there, digest: found.digest, wasThere: true, networkBytes: 0 };
      }
      const meter = new TransferMeter(
        contents.parts.reduce((sum, part) => sum + part.sizeBytes, 0),
        onProgress,
      );
      const local = await localParts(platform, store, metadata, signal);
      const image = await store.add(async (directory) => {
        await using kept = await KeptBlobs.open(platform.files, cache);
        const source = new PartSource(platform, client, local, kept, meter);
        await writeParts(platform, directory, contents, metadata, source, meter, signal);
        await pullAttachments(platform, client, directory, metadata, signal);
        return metadata;
      });
      await platform.files.remove(cache);
      return { image, digest: found.digest, wasThere: false, networkBytes: meter.networkBytes };
    },
  );
}

async function findManifest(
  client: RegistryClient,
  reference: RegistryReference,
  architecture: Architecture,
  signal: AbortSignal | undefined,
): Promise<FetchedManifest> {
  const where = formatReference(reference);
  const missing = (): KelpieError =>
    new KelpieError("not-found", "The registry does not have this image", { where });
  const first = await client.fetchManifest(reference.target, signal);
  if (first === undefined) throw missing();
  if (first.mediaType === manifestMediaType) return first;
  if (first.mediaType !== indexMediaType) {
    throw new KelpieError("unsupported", "This is not a Kelpie image", {
      expected: `${indexMediaType} or ${manifestMediaType}`,
      found: first.mediaType,
      where,
    });
  }
  const { digest } = imageOf(parseIndex(first.bytes, where), architecture, where);
  const manifest = await client.fetchManifest({ kind: "digest", digest }, signal);
  if (manifest === undefined) throw missing();
  return manifest;
}

/** The metadata, once it agrees with all that led to it. */
function checkMetadata(
  config: Uint8Array,
  contents: ImageContents,
  reference: RegistryReference,
  architecture: Architecture,
): ImageMetadata {
  const where = formatReference(reference);
  const metadata = parseImageMetadata(config, where);
  const { target } = reference;
  const tag = target.kind === "tag" ? tryParseImageVersion(target.tag) : undefined;
  const expected = tag === undefined ? metadata.version : formatImageVersion(tag);
  if (metadata.version !== expected || metadata.architecture !== architecture) {
    throw new KelpieError("malformed", "The registry gives another image than the one asked for", {
      expected: `${expected} for ${architecture}`,
      found: `${metadata.version} for ${metadata.architecture}`,
      where,
    });
  }
  // The store writes metadata anew: that must give the bytes that the digest is of.
  if (digestOf(serializeImageMetadata(metadata)) !== contents.config.digest)
    throw new KelpieError("malformed", "The image's metadata is not written as Kelpie writes it", { where });
  checkSizes(contents, metadata, where);
  return metadata;
}

/** The image of the store with this very metadata, where its files are whole. */
async function findSame(
  store: ImageStore,
  metadata: ImageMetadata,
  signal: AbortSignal | undefined,
): Promise<StoredImage | undefined> {
  const { images } = await store.list();
  const image = images.find(
    ({ version, architecture }) =>
      formatImageVersion(version) === metadata.version && architecture === metadata.architecture,
  );
  if (image === undefined) return undefined;
  const found = await store.metadata(image);
  if (digestOf(serializeImageMetadata(found)) !== digestOf(serializeImageMetadata(metadata)))
    return undefined;
  try {
    await store.verifyOnUse(image, signal);
    return image;
  } catch (error) {
    // What is damaged is fetched again.
    if (KelpieError.is(error) && ["not-found", "digest-mismatch"].includes(error.code)) return undefined;
    throw error;
  }
}

async function writeParts(
  { files }: Platform,
  directory: string,
  { parts }: ImageContents,
  metadata: ImageMetadata,
  source: PartSource,
  meter: TransferMeter,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const { name: file } of imageFiles(metadata)) {
    const own = parts.filter((part) => part.file === file);
    const written = await writeImageFile(files, join(directory, file), async (sink) => {
      const contents = mapAhead(own, width, signal, (part, stop) => source.content(part, stop));
      for await (const content of contents) meter.done(await writePart(sink, content));
    });
    checkContent(metadata, file, written);
  }
}

/** Returns how many bytes the part has. */
async function writePart(sink: ByteSink, content: PartContent): Promise<number> {
  switch (content.kind) {
    case "zeros":
      await sink.skip(content.sizeBytes);
      return content.sizeBytes;
    case "bytes": {
      const { length } = content.bytes;
      await writeSparse(sink, content.bytes);
      releaseBytes(content.bytes);
      return length;
    }
    default:
      return content satisfies never;
  }
}
