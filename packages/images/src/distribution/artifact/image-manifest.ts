// An image's manifest in a registry, and what it says: which blobs make which files.

import { KelpieError } from "@kelpie/platform";
import {
  type ImageFileName,
  imageFileNames,
  type ImageMetadata,
  maxMetadataBytes,
} from "../../metadata/image-metadata.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import { type Descriptor, type Manifest, manifestMediaType } from "../oci/manifest.ts";
import { maxPartBytes } from "./cut.ts";

export const imageArtifactType = "application/vnd.kelpie.image.v1";
export const configMediaType = "application/vnd.kelpie.image.config.v1+json";
export const partMediaType = "application/vnd.kelpie.image.part.v1+zstd";

const title = "org.opencontainers.image.title";
const offsetKey = "dev.kelpie.content.offset";
const sizeKey = "dev.kelpie.content.size";
const digestKey = "dev.kelpie.content.digest";

/** Content that does not compress grows a little. */
export const maxBlobBytes = maxPartBytes + (1 << 20);

/** One part of one file. */
export interface ImagePart {
  readonly file: ImageFileName;
  readonly offset: number;
  /** Uncompressed. */
  readonly sizeBytes: number;
  /** Of the uncompressed part, in hexadecimal. */
  readonly sha256: string;
  /** The compressed part in the registry. */
  readonly blob: BlobDescription;
}

/** What an image's manifest says. */
export interface ImageContents {
  /** metadata.json. */
  readonly config: BlobDescription;
  /** File by file, each from its beginning to its end. */
  readonly parts: readonly ImagePart[];
}

/** The manifest of an image. */
export function encodeImageManifest(
  metadata: ImageMetadata,
  config: BlobDescription,
  parts: readonly ImagePart[],
): Manifest {
  return {
    schemaVersion: 2,
    mediaType: manifestMediaType,
    artifactType: imageArtifactType,
    config: { mediaType: configMediaType, ...config },
    layers: parts.map(({ file, offset, sizeBytes, sha256, blob }) => ({
      mediaType: partMediaType,
      ...blob,
      annotations: {
        [title]: file,
        [offsetKey]: `${offset}`,
        [sizeKey]: `${sizeBytes}`,
        [digestKey]: `sha256:${sha256}`,
      },
    })),
    annotations: {
      "org.opencontainers.image.title": metadata.name,
      "org.opencontainers.image.version": metadata.version,
      "org.opencontainers.image.created": metadata.buildDate,
      "org.opencontainers.image.revision": metadata.gitSha,
    },
  };
}

/**
 * What a manifest says, with every bound checked.
 *
 * @param where for messages.
 * @throws KelpieError `unsupported` for a manifest of something else, `malformed` for one that contradicts itself.
 */
export function decodeImageManifest(manifest: Manifest, where: string): ImageContents {
  const { artifactType = manifest.config.mediaType, config, layers } = manifest;
  if (artifactType !== imageArtifactType || config.mediaType !== configMediaType) {
    throw new KelpieError("unsupported", "This is not a Kelpie image", {
      expected: imageArtifactType,
      found: artifactType,
      where,
    });
  }
  if (config.size > maxMetadataBytes)
    throw malformed(where, "metadata of a sane size", `${config.size} bytes`);
  const parts = layers.map((layer) => decodePart(layer, where));
  checkOrder(parts, where);
  return { config: { digest: config.digest, size: config.size }, parts };
}

/** @throws KelpieError `malformed` where the parts do not make the files that the metadata describes. */
export function checkSizes({ parts }: ImageContents, metadata: ImageMetadata, where: string): void {
  for (const file of imageFileNames) {
    const found = parts
      .filter((part) => part.file === file)
      .reduce((total, part) => total + part.sizeBytes, 0);
    const { sizeBytes } = metadata.files[file] ?? { sizeBytes: 0 };
    if (found !== sizeBytes) throw malformed(where, `${sizeBytes} bytes of ${file}`, `${found}`);
  }
}

function decodePart(layer: Descriptor, where: string): ImagePart {
  const { mediaType, digest, size, annotations = {} } = layer;
  const file = imageFileNames.find((name) => name === annotations[title]);
  const offset = wholeNumber(annotations[offsetKey]);
  const sizeBytes = wholeNumber(annotations[sizeKey]);
  const sha256 = /^sha256:([0-9a-f]{64})$/.exec(annotations[digestKey] ?? "")?.[1];
  if (mediaType !== partMediaType) throw malformed(where, `layers of type ${partMediaType}`, mediaType);
  if (file === undefined || offset === undefined || sizeBytes === undefined || sha256 === undefined)
    throw malformed(
      where,
      "a file's name, offset, size and digest",
      `annotations ${JSON.stringify(annotations).slice(0, 300)}`,
    );
  if (sizeBytes === 0 || sizeBytes > maxPartBytes || size > maxBlobBytes)
    throw malformed(where, `parts of 1 to ${maxPartBytes} bytes`, `${sizeBytes} bytes in a blob of ${size}`);
  return { file, offset, sizeBytes, sha256, blob: { digest, size } };
}

/** Each file's parts follow each other without a gap, and no file comes twice. */
function checkOrder(parts: readonly ImagePart[], where: string): void {
  const ends = new Map<ImageFileName, number>();
  let last: ImageFileName | undefined;
  for (const { file, offset, sizeBytes } of parts) {
    const end = ends.get(file) ?? 0;
    if (offset !== end || (file !== last && end > 0))
      throw malformed(
        where,
        `the next part of ${file} at byte ${end}, right behind the one before`,
        `byte ${offset}`,
      );
    ends.set(file, offset + sizeBytes);
    last = file;
  }
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^(?:0|[1-9]\d{0,14})$/.test(text) ? Number(text) : undefined;
}

function malformed(where: string, expected: string, found: string): KelpieError {
  return new KelpieError("malformed", "An image's manifest contradicts itself", { expected, found, where });
}
