// A VM's image into a repository: its files in parts, its metadata and its manifest.

import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import {
  imageFiles,
  type ImageMetadata,
  maxMetadataBytes,
  parseImageMetadata,
} from "../../metadata/image-metadata.ts";
import { imageFile, type StoredImage } from "../../store/image-store.ts";
import { ContentCheck } from "../content-check.ts";
import { mapAhead } from "../map-ahead.ts";
import type { BlobDescription } from "../oci/blob-download.ts";
import { manifestBytes, manifestMediaType } from "../oci/manifest.ts";
import { type BlobTarget, pushBytes } from "../oci/push-blob.ts";
import type { TransferMeter } from "../progress.ts";
import { pushAttachments } from "./attachments.ts";
import { compressPart } from "./compression.ts";
import { type CutPart, cutFile } from "./cut.ts";
import { encodeImageManifest, type ImagePart } from "./image-manifest.ts";

/** Compressing and sending go on side by side. */
const width = 4;

/** Pushes an image without a tag. @throws KelpieError `digest-mismatch` where the store's files are damaged. */
export async function pushParts(
  platform: Platform,
  target: BlobTarget,
  image: StoredImage,
  meter: TransferMeter,
  signal: AbortSignal | undefined,
): Promise<BlobDescription> {
  const path = join(image.directory, "metadata.json");
  const config = await platform.files.readFile(path, maxMetadataBytes);
  const metadata = parseImageMetadata(config, path);
  const parts: ImagePart[] = [];
  const push = async ({ bytes, ...part }: SourcePart, stop: AbortSignal): Promise<ImagePart> => {
    const blob = await pushBytes(target, await compressPart(bytes), stop);
    return { ...part, sizeBytes: bytes.length, blob };
  };
  for await (const part of mapAhead(partsOf(platform, image, metadata, signal), width, signal, push)) {
    parts.push(part);
    meter.done(part.sizeBytes);
  }
  const configBlob = await pushBytes(target, config, signal);
  const bytes = manifestBytes(encodeImageManifest(metadata, configBlob, parts));
  const digest = await target.client.pushManifest(manifestMediaType, bytes, undefined, signal);
  const manifest = { digest, size: bytes.length };
  await pushAttachments(platform, target, image, metadata, manifest, signal);
  return manifest;
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
  for (const { name: file } of imageFiles(metadata)) {
    const check = new ContentCheck(metadata, file);
    for await (const part of cutFile(files, imageFile(image, file), file, signal)) {
      check.add(part.bytes);
      yield { ...part, file };
    }
    check.finish();
  }
}
