// Where the parts of an image come from: what an interrupted pull has kept, another version in the store, the registry.

import { hash } from "node:crypto";
import { type Files, KelpieError, type Platform } from "@kelpie/platform";
import { imageFiles, type ImageMetadata } from "../../metadata/image-metadata.ts";
import { imageFile, type ImageStore, type StoredImage } from "../../store/image-store.ts";
import { digestOf } from "../oci/digest.ts";
import type { RegistryClient } from "../oci/registry-client.ts";
import type { TransferMeter } from "../progress.ts";
import { decompressPart } from "./compression.ts";
import { cutFile } from "./cut.ts";
import type { ImagePart } from "./image-manifest.ts";
import type { KeptBlobs } from "./kept-blobs.ts";
import { releaseBytes } from "./release-bytes.ts";

const maxRelatives = 2;
/** Zeros compress to less than a part in so many. */
const leastRatioOfZeros = 1000;
/** As long as a part of zeros comes from us, and as many lengths: the digest of each costs time. */
const longestZeros = 4 << 20;
const maxZeroLengths = 16;

/** A part as it lies in an image that is here already. */
interface LocalPart {
  readonly path: string;
  readonly offset: number;
}

/** Parts by the digest of their content. */
export type LocalParts = ReadonlyMap<string, LocalPart>;

/** The parts of the images in the store that are most likely to share some. */
export async function localParts(
  { files }: Platform,
  store: ImageStore,
  metadata: Pick<ImageMetadata, "name" | "architecture">,
  signal: AbortSignal | undefined,
): Promise<LocalParts> {
  const parts = new Map<string, LocalPart>();
  for (const image of relatives((await store.list()).images, metadata)) {
    for (const { name: file } of imageFiles(await store.metadata(image))) {
      const path = imageFile(image, file);
      for await (const { sha256, offset } of cutFile(files, path, file, signal))
        parts.set(sha256, { path, offset });
    }
  }
  return parts;
}

/** The last built ones, of the same name before others: to look at one takes as long as to hash it. */
function relatives(
  images: readonly StoredImage[],
  { name, architecture }: Pick<ImageMetadata, "name" | "architecture">,
): readonly StoredImage[] {
  return images
    .filter((image) => image.architecture === architecture)
    .toSorted(
      (a, b) =>
        Number(b.name === name) - Number(a.name === name) ||
        Date.parse(b.buildDate) - Date.parse(a.buildDate),
    )
    .slice(0, maxRelatives);
}

/** A part's content. */
export type PartContent =
  | { readonly kind: "zeros"; readonly sizeBytes: number }
  /** Bytes in a buffer of their own, for `releaseBytes` once they have been used. */
  | { readonly kind: "bytes"; readonly bytes: Uint8Array };

/** Gives the content of parts, of which each comes from a verified blob or has the digest that it should have. */
export class PartSource {
  readonly #platform: Platform;
  readonly #client: RegistryClient;
  readonly #local: LocalParts;
  readonly #kept: KeptBlobs;
  readonly #meter: TransferMeter;
  readonly #zeroDigests = new Map<number, string>();

  constructor(
    platform: Platform,
    client: RegistryClient,
    local: LocalParts,
    kept: KeptBlobs,
    meter: TransferMeter,
  ) {
    this.#platform = platform;
    this.#client = client;
    this.#local = local;
    this.#kept = kept;
    this.#meter = meter;
  }

  /** @throws KelpieError `digest-mismatch`, `malformed`, and what a transfer can fail with. */
  async content(part: ImagePart, signal: AbortSignal): Promise<PartContent> {
    if (this.#isZeros(part)) return { kind: "zeros", sizeBytes: part.sizeBytes };
    const local = this.#local.get(part.sha256);
    if (local !== undefined) {
      const bytes = await readLocal(this.#platform.files, local, part);
      if (bytes !== undefined) return { kind: "bytes", bytes };
    }
    const blob = await this.#blob(part, signal);
    // The blob is verified, and so will the file be that it goes into: to hash the part between them would prove nothing.
    const bytes = await decompressPart(blob, part.sizeBytes, `${part.file}, byte ${part.offset}`);
    releaseBytes(blob);
    return { kind: "bytes", bytes };
  }

  /** Free space is most of many a file system, and comes in few sizes. */
  #isZeros({ sizeBytes, sha256, blob }: ImagePart): boolean {
    if (blob.size > sizeBytes / leastRatioOfZeros || sizeBytes > longestZeros) return false;
    let digest = this.#zeroDigests.get(sizeBytes);
    if (digest === undefined) {
      if (this.#zeroDigests.size >= maxZeroLengths) return false;
      digest = hash("sha256", new Uint8Array(sizeBytes));
      this.#zeroDigests.set(sizeBytes, digest);
    }
    return digest === sha256;
  }

  async #blob({ blob }: ImagePart, signal: AbortSignal): Promise<Uint8Array> {
    const kept = await this.#kept.find(blob.digest, blob.size);
    if (kept !== undefined) return kept;
    const bytes = await this.#client.fetchBlob(blob, { signal, onBytes: this.#meter.network });
    await this.#kept.keep(blob.digest, bytes);
    return bytes;
  }
}

/** The other image may have been damaged, or removed, since it was looked at. */
async function readLocal(files: Files, local: LocalPart, part: ImagePart): Promise<Uint8Array | undefined> {
  const bytes = new Uint8Array(part.sizeBytes);
  try {
    await files.readInto(local.path, bytes, local.offset);
  } catch (error) {
    if (KelpieError.is(error)) return undefined;
    throw error;
  }
  return digestOf(bytes) === `sha256:${part.sha256}` ? bytes : undefined;
}
