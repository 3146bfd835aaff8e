// An image as a release asset: one gzip-compressed tar archive, the same bytes for the same image.

import { basename, dirname, join } from "node:path";
import {
  bytesSource,
  type FileNode,
  fileSource,
  gzip,
  produced,
  type TarSourceEntry,
  writeTar,
} from "@kelpie/formats";
import { KelpieError, type Platform, randomHex } from "@kelpie/platform";
import { type WrittenFile, writeImageFile } from "../../build/file-sink.ts";
import { attachments } from "../../attachments/attachments.ts";
import {
  describedFile,
  imageFiles,
  type ImageMetadata,
  maxMetadataBytes,
  parseImageMetadata,
  type StoredFileName,
} from "../../metadata/image-metadata.ts";
import type { StoredImage } from "../../store/image-store.ts";
import type { Signer } from "../artifact/signatures.ts";
import { ContentCheck } from "../content-check.ts";
import { type OnTransfer, TransferMeter } from "../progress.ts";
import { addChecksum } from "./checksum-list.ts";

export interface ExportOptions {
  readonly platform: Platform;
  readonly image: StoredImage;
  /** A file, or a directory in which the asset gets its own name; one that ends in "/" is made where it is missing. */
  readonly output: string;
  /** Signs the list of checksums. */
  readonly signer?: Signer | undefined;
  readonly onProgress?: OnTransfer;
  readonly signal?: AbortSignal | undefined;
}

export interface ExportedImage extends WrittenFile {
  readonly path: string;
  /** The list of checksums beside it that has it. */
  readonly checksums: string;
}

/**
 * The name of an image's release asset: `kelpie-base-1.0.0-20260115-a3f4d21-amd64.tar.gz`.
 *
 * @throws KelpieError `unsafe-path` for an image whose name cannot be part of a file's: it may come from a stranger.
 */
export function releaseFileName(image: Pick<ImageMetadata, "name" | "version" | "architecture">): string {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/i.test(image.name)) {
    throw new KelpieError("unsafe-path", "An image's name cannot be part of a file's name", {
      expected: "letters, digits, dots, hyphens and underscores",
      found: JSON.stringify(image.name.slice(0, 100)),
    });
  }
  return `${image.name}-${image.version}-${image.architecture}.tar.gz`;
}

/**
 * Writes an image's release asset, and puts its digest into SHA256SUMS beside it.
 *
 * @throws KelpieError `digest-mismatch` where the image is not what its metadata says; nothing appears then.
 */
export async function exportImage(options: ExportOptions): Promise<ExportedImage> {
  const { platform, image, output, signal } = options;
  const { files, random } = platform;
  const metadataPath = join(image.directory, "metadata.json");
  const metadataBytes = await files.readFile(metadataPath, maxMetadataBytes);
  const metadata = parseImageMetadata(metadataBytes, metadataPath);
  if (output.endsWith("/")) await files.makeDirectory(output);
  const isDirectory = (await files.stat(output))?.kind === "directory";
  const path = isDirectory ? join(output, releaseFileName(metadata)) : output;
  const temporary = join(dirname(path), `.${basename(path)}.${randomHex(random, 6)}.tmp`);
  const meter = new TransferMeter(image.sizeBytes, options.onProgress);
  try {
    const own = imageFiles(metadata).map(({ name }) => name);
    const names = [...own, ...(await attachedNames(platform, image, metadata))];
    const entries = archiveEntries(platform, image, metadata, metadataBytes, names, meter, signal);
    const written = await writeImageFile(files, temporary, async (sink) => {
      for await (const chunk of gzip(produced((tar) => writeTar(entries, tar)))) {
        await sink.write(chunk);
        meter.network(chunk.length);
      }
    });
    await files.rename(temporary, path);
    const checksums = await addChecksum(options, path, written.sha256);
    return { ...written, path, checksums };
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
}

/** Those that came along when the image was brought into the store. */
async function attachedNames(
  { files }: Platform,
  image: StoredImage,
  metadata: ImageMetadata,
): Promise<readonly StoredFileName[]> {
  const found: StoredFileName[] = [];
  for (const { name, path } of attachments(image, metadata))
    if ((await files.stat(path)) !== undefined) found.push(name);
  return found;
}

/** One directory, named so that it can be unpacked into a store of any machine; metadata first, so that it is read first. */
function archiveEntries(
  { files }: Platform,
  image: StoredImage,
  metadata: ImageMetadata,
  metadataBytes: Uint8Array,
  names: readonly StoredFileName[],
  meter: TransferMeter,
  signal: AbortSignal | undefined,
): TarSourceEntry[] {
  const owned = { uid: 0, gid: 0, mtimeSeconds: Math.floor(Date.parse(metadata.buildDate) / 1000) };
  const directory = `${metadata.version}.${metadata.architecture}`;
  const file = (name: string, content: FileNode["content"]): TarSourceEntry => ({
    path: `${directory}/${name}`,
    node: { ...owned, kind: "file", mode: 0o644, content },
  });
  return [
    { path: directory, node: { ...owned, kind: "directory", mode: 0o755 } },
    file("metadata.json", bytesSource(metadataBytes)),
    ...names.map((name) => {
      const sizeBytes = describedFile(metadata, name)?.sizeBytes ?? 0;
      const source = fileSource(files, join(image.directory, name), 0, sizeBytes);
      const check = new ContentCheck(metadata, name);
      const open = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
        for await (const chunk of source.open(signal)) {
          check.add(chunk);
          yield chunk;
          meter.done(chunk.length);
        }
        check.finish();
      };
      return file(name, { sizeBytes, open });
    }),
  ];
}
