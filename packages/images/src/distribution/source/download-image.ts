// An image by its version, from the first source that has it.

import { join } from "node:path";
import { KelpieError, type KelpieErrorCode } from "@kelpie/platform";
import { downloadVerified } from "@kelpie/repositories";
import { ImageStore, type StoredImage } from "../../store/image-store.ts";
import { formatImageVersion, type ImageVersion } from "../../version/image-version.ts";
import { pullImage } from "../artifact/pull-image.ts";
import { fetchOnce } from "../fetch-once.ts";
import type { FetchOptions } from "../fetch-options.ts";
import { TransferMeter } from "../progress.ts";
import { checksumsName } from "../release/checksum-list.ts";
import { releaseFileName } from "../release/export-image.ts";
import { importImage } from "../release/import-image.ts";
import {
  readListing,
  releaseBase,
  releaseOf,
  type ReleaseListing,
  type ReleaseSource,
} from "../release/release-listing.ts";
import type { ImageSource } from "./source.ts";

const maxAssetBytes = 16 * 2 ** 30;
/** A source with one of these is passed over; anything else is more than a source that has nothing for us. */
const passable: readonly string[] = ["not-found", "unreachable", "timeout", "permission-denied"];

export interface DownloadOptions extends FetchOptions {
  readonly name: string;
  readonly version: ImageVersion;
  /** In the order in which they are asked. */
  readonly sources: readonly ImageSource[];
}

export interface DownloadedImage {
  readonly image: StoredImage;
  /** Absent where the store had it. */
  readonly source: ImageSource | undefined;
}

/**
 * Brings an image into the store, unless it is there. Of several processes that ask for the same image one downloads.
 *
 * @throws KelpieError `not-found` where no source has it, or what hindered asking one, saying why of each; `digest-mismatch` and `malformed` where a
 * source has it wrongly.
 */
export async function downloadImage(options: DownloadOptions): Promise<DownloadedImage> {
  const { platform, home, name, architecture } = options;
  const version = formatImageVersion(options.version);
  const there = await findStored(options);
  if (there !== undefined) return { image: there, source: undefined };
  const directory = join(home, "cache/releases");
  await platform.files.makeDirectory(directory);
  const asset = releaseFileName({ name, version, architecture });
  const lockPath = join(directory, `${asset}.lock`);
  return await fetchOnce({ ...options, lockPath, purpose: `downloading ${asset}` }, async (onProgress) => {
    const meanwhile = await findStored(options);
    if (meanwhile !== undefined) return { image: meanwhile, source: undefined };
    return await fromFirst({ ...options, onProgress }, version);
  });
}

async function fromFirst(options: DownloadOptions, version: string): Promise<DownloadedImage> {
  const { home, name, architecture, sources } = options;
  const reasons: SourceReason[] = [];
  for (const source of sources) {
    try {
      const image = await fromSource(options, source, version);
      return { image, source };
    } catch (error) {
      if (!isPassable(error)) throw error;
      reasons.push({ source, error });
    }
  }
  throw new KelpieError(codeOf(reasons), `No source has ${name} ${version} for ${architecture}`, {
    found: reasons.length === 0 ? "no sources" : reasons.map(describeReason).join("; "),
    help: `Name one by --from, or list them under \`sources:\` in ${join(home, "config.yaml")}.`,
  });
}

/** Why a source was passed over. */
export interface SourceReason {
  readonly source: ImageSource;
  readonly error: KelpieError;
}

export function describeReason({ source, error }: SourceReason): string {
  return `${source.text}: ${error.message}`;
}

/** `not-found` where every source said so; else what hindered the first that could not be asked. */
export function codeOf(reasons: readonly SourceReason[]): KelpieErrorCode {
  return reasons.find(({ error }) => error.code !== "not-found")?.error.code ?? "not-found";
}

/** Whether an error says that a source has nothing for us, rather than that it has it wrongly. */
export function isPassable(error: unknown): error is KelpieError {
  if (!KelpieError.is(error) || !passable.includes(error.code)) return false;
  // What our own disk refuses is no word of a source.
  return !(error.code === "permission-denied" && error.cause instanceof Error);
}

async function findStored({
  platform,
  home,
  name,
  version,
  architecture,
}: DownloadOptions): Promise<StoredImage | undefined> {
  const { images } = await new ImageStore(platform, home).list();
  const text = formatImageVersion(version);
  return images.find(
    (image) =>
      image.name === name &&
      formatImageVersion(image.version) === text &&
      image.architecture === architecture,
  );
}

async function fromSource(
  options: DownloadOptions,
  source: ImageSource,
  version: string,
): Promise<StoredImage> {
  switch (source.kind) {
    case "registry": {
      const reference = { ...source.repository, target: { kind: "tag", tag: version } } as const;
      const { image } = await pullImage({ ...options, reference });
      return image;
    }
    case "directory":
      return await fromDirectory(options, source, version);
    case "release":
      return await fromRelease(options, source, version);
    default:
      return source satisfies never;
  }
}

async function fromDirectory(
  options: DownloadOptions,
  source: Extract<ReleaseSource, { kind: "directory" }>,
  version: string,
): Promise<StoredImage> {
  const { name, architecture } = options;
  const asset = releaseFileName({ name, version, architecture });
  const sha256 = checksumOf(await readListing(options, source, source.path), asset);
  const expected = { version, architecture };
  return await importImage({ ...options, path: join(source.path, asset), sha256, expected, isTrusted: true });
}

async function fromRelease(
  options: DownloadOptions,
  source: Extract<ReleaseSource, { kind: "release" }>,
  version: string,
): Promise<StoredImage> {
  const { platform, home, name, architecture, transfer, signal } = options;
  const asset = releaseFileName({ name, version, architecture });
  const base = releaseBase(source.baseUrl, version, releaseOf(version)) ?? source.baseUrl;
  const sha256 = checksumOf(await readListing(options, source, base), asset);
  const cachePath = join(home, "cache/releases", asset);
  let meter: TransferMeter | undefined;
  let receivedBytes = 0;
  await downloadVerified(platform, {
    url: `${base}/${encodeURIComponent(asset)}`,
    maxBytes: maxAssetBytes,
    sha256,
    cachePath,
    isResumable: true,
    signal,
    timeouts: transfer?.timeouts,
    retry: transfer?.retry,
    onProgress: (received, total) => {
      meter ??= new TransferMeter(total ?? received, options.onProgress);
      const count = Math.max(0, received - receivedBytes);
      receivedBytes = Math.max(received, receivedBytes);
      meter.network(count);
      meter.done(count);
    },
  });
  const image = await importImage({
    platform,
    home,
    path: cachePath,
    expected: { version, architecture },
    isTrusted: true,
    signal,
  });
  await platform.files.remove(cachePath);
  return image;
}

function checksumOf({ checksums, base }: ReleaseListing, asset: string): string {
  const sha256 = checksums.get(asset);
  if (sha256 !== undefined) return sha256;
  throw new KelpieError("not-found", "The source does not have this image", {
    expected: `${asset} in ${checksumsName}`,
    where: base,
  });
}
