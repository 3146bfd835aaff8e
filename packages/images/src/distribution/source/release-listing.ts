// What a directory or a release page has: its SHA256SUMS.

import { join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import type { TransferOptions } from "../oci/registry-http.ts";
import { maxChecksumsBytes, parseChecksums } from "../release/checksums.ts";
import { checksumsName } from "../release/export-image.ts";
import { fetchFile } from "./fetch-file.ts";
import type { ImageSource } from "./source.ts";

export type ReleaseSource = Exclude<ImageSource, { kind: "registry" }>;

export interface ReleaseListing {
  /** File names with their digests in hexadecimal. */
  readonly checksums: ReadonlyMap<string, string>;
  /** The directory or the URL that the files stand below. */
  readonly base: string;
}

interface ListingOptions {
  readonly platform: Platform;
  readonly transfer?: TransferOptions | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The release that a version belongs to: without date and commit. */
export function releaseOf(version: string): string {
  return version.replace(/-\d{8}-[0-9a-f]{7}$/, "");
}

/** A release page's URL for a version; undefined where that needs to be known and is not. */
export function releaseBase(baseUrl: string, version: string, release: string): string | undefined {
  if (version === "" && baseUrl.includes("{version}")) return undefined;
  if (release === "" && baseUrl.includes("{release}")) return undefined;
  return baseUrl.replaceAll("{version}", version).replaceAll("{release}", release);
}

/** The listing at `base`. @throws KelpieError `not-found` where there is none. */
export async function readListing(
  options: ListingOptions,
  source: ReleaseSource,
  base: string,
): Promise<ReleaseListing> {
  const bytes = await readSmallFile(options, source, base, checksumsName, maxChecksumsBytes);
  if (bytes === undefined)
    throw new KelpieError("not-found", "The source has no list of checksums", {
      expected: checksumsName,
      where: base,
    });
  const where = source.kind === "release" ? `${base}/${checksumsName}` : join(base, checksumsName);
  return { checksums: parseChecksums(new TextDecoder().decode(bytes), where), base };
}

/** A file of the source, or undefined where it has none of that name. */
async function readSmallFile(
  { platform, transfer, signal }: ListingOptions,
  source: ReleaseSource,
  base: string,
  name: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  if (source.kind === "release")
    return await fetchFile(platform, `${base}/${name}`, maxBytes, transfer, signal);
  try {
    return await platform.files.readFile(join(base, name), maxBytes);
  } catch (error) {
    if (KelpieError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}
