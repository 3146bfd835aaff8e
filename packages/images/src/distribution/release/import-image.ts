// A release asset into the store: a stranger's archive, of which only the files that make an image are taken.

import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { collect, decompress, fileSource, readTar, type TarEntry } from "@kelpie/formats";
import { type Architecture, KelpieError, type Platform } from "@kelpie/platform";
import { type WrittenFile, writeImageFile } from "../../build/file-sink.ts";
import {
  attachmentNames,
  imageFileNames,
  imageFiles,
  type ImageMetadata,
  maxMetadataBytes,
  parseImageMetadata,
  type StoredFileName,
} from "../../metadata/image-metadata.ts";
import { ImageStore, type StoredImage } from "../../store/image-store.ts";
import { checkContent } from "../content-check.ts";
import type { FetchOptions } from "../fetch-options.ts";
import { TransferMeter } from "../progress.ts";
import { writeSparse } from "../sparse.ts";
import { signedDigest } from "./release-listing.ts";

/** Of all files of an image together. */
const maxImageBytes = 64 * 2 ** 30;
const maxEntries = 16;

export interface ImportOptions
  extends Pick<FetchOptions, "platform" | "home" | "onTrust" | "onProgress" | "signal"> {
  readonly path: string;
  /** Of the archive, in hexadecimal, where it is known. */
  readonly sha256?: string | undefined;
  /** What the archive must hold, where that is known. */
  readonly expected?: { readonly version: string; readonly architecture: Architecture } | undefined;
  /** Whether who asks for it has held it against the trust policy. */
  readonly isTrusted?: boolean;
}

/**
 * Adds the image of a release asset to the store. It appears whole and verified, or not at all.
 *
 * @throws KelpieError `digest-mismatch`, `malformed`, `limit-exceeded`, `unsafe-path`, `not-found`, `untrusted-key` where the
 * trust policy refuses it.
 */
export async function importImage(options: ImportOptions): Promise<StoredImage> {
  const { platform, home, path, signal } = options;
  const status = await platform.files.stat(path);
  if (status?.kind !== "file")
    throw new KelpieError("not-found", "There is no such archive", { where: path });
  const signed =
    options.isTrusted === true
      ? undefined
      : await signedDigest(options, resolve(platform.host.workingDirectory, path));
  const meter = new TransferMeter(status.sizeBytes, options.onProgress);
  const hash = createHash("sha256");
  const source = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of fileSource(platform.files, path, 0, status.sizeBytes).open(signal)) {
      hash.update(chunk);
      yield chunk;
      meter.done(chunk.length);
    }
  };
  const tar = decompress(source(), { maxOutputBytes: maxImageBytes, where: path });
  return await new ImageStore(platform, home).add(async (directory) => {
    const metadata = await unpack(platform, directory, tar, options);
    const found = hash.digest("hex");
    for (const wanted of [options.sha256, signed]) checkArchive(path, wanted, found);
    return metadata;
  });
}

async function unpack(
  { files }: Platform,
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  { path, expected }: ImportOptions,
): Promise<ImageMetadata> {
  const written = new Map<StoredFileName, WrittenFile>();
  let metadata: ImageMetadata | undefined;
  const limits = { maxEntries, maxEntryBytes: maxImageBytes };
  for await (const entry of readTar(tar, { duplicates: "refuse", limits, where: path })) {
    const name = fileNameOf(entry, path);
    if (name === undefined) continue;
    if (name === "metadata.json") {
      if (metadata !== undefined) throw unexpected(entry, path);
      metadata = parseImageMetadata(await collect(entry.content, maxMetadataBytes, "metadata.json"), path);
      checkExpected(metadata, expected, path);
    } else {
      if (written.has(name)) throw unexpected(entry, path);
      const write = writeImageFile(files, join(directory, name), async (sink) => {
        for await (const chunk of entry.content) await writeSparse(sink, chunk);
      });
      written.set(name, await write);
    }
  }
  if (metadata === undefined) throw missing("metadata.json", path);
  for (const { name } of imageFiles(metadata)) if (!written.has(name)) throw missing(name, path);
  for (const [name, found] of written) checkContent(metadata, name, found);
  return metadata;
}

/** Which of an image's files an entry is; undefined for the directory that they stand in. */
function fileNameOf(entry: TarEntry, where: string): StoredFileName | "metadata.json" | undefined {
  const components = entry.path.split("/");
  if (entry.kind === "directory" && components.length === 1) return undefined;
  const name = [...imageFileNames, ...attachmentNames, "metadata.json" as const].find(
    (candidate) => candidate === components.at(-1),
  );
  if (entry.kind !== "file" || components.length > 2 || name === undefined) throw unexpected(entry, where);
  return name;
}

function checkExpected(metadata: ImageMetadata, expected: ImportOptions["expected"], where: string): void {
  const { version, architecture } = metadata;
  if (expected === undefined || (version === expected.version && architecture === expected.architecture))
    return;
  throw new KelpieError("malformed", "An archive holds another image than its name says", {
    expected: `${expected.version} for ${expected.architecture}`,
    found: `${version} for ${architecture}`,
    where,
  });
}

function checkArchive(path: string, wanted: string | undefined, found: string): void {
  if (wanted === undefined || wanted === found) return;
  throw new KelpieError("digest-mismatch", "An archive is not what its checksum says", {
    expected: `sha256 ${wanted}`,
    found: `sha256 ${found}`,
    where: path,
  });
}

function unexpected({ kind, path }: TarEntry, where: string): KelpieError {
  return new KelpieError("malformed", "This is not the archive of an image", {
    expected: `a directory with ${imageFileNames.join(", ")} and metadata.json, each at most once`,
    found: `${kind} ${JSON.stringify(path)}`,
    where,
  });
}

function missing(name: string, where: string): KelpieError {
  return new KelpieError("malformed", "This is not the archive of an image", {
    expected: name,
    found: "none",
    where,
  });
}
