// What a directory or a release page has: its SHA256SUMS.

import { basename, dirname, join } from "node:path";
import { KelpieError } from "@kelpie/platform";
import { checkTrust, type FoundSignature } from "../../trust/check-trust.ts";
import { maxEnvelopeBytes } from "../../trust/dsse.ts";
import { maxBundleBytes } from "../../trust/sigstore.ts";
import type { FetchOptions } from "../fetch-options.ts";
import { maxChecksumsBytes, parseChecksums } from "./checksums.ts";
import { checksumsBundleName, checksumsEnvelopeName, checksumsName } from "./checksum-list.ts";
import { fetchFile } from "./fetch-file.ts";
import type { ImageSource } from "../source/source.ts";

export type ReleaseSource = Exclude<ImageSource, { kind: "registry" }>;

export interface ReleaseListing {
  /** File names with their digests in hexadecimal. */
  readonly checksums: ReadonlyMap<string, string>;
  /** The directory or the URL that the files stand below. */
  readonly base: string;
}

type ListingOptions = Pick<FetchOptions, "platform" | "home" | "onTrust" | "transfer" | "signal">;

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

/**
 * The listing at `base`, where the trust policy lets it in.
 *
 * @throws KelpieError `not-found` where there is none, `untrusted-key` where the policy refuses it.
 */
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
  const verdict = await checkTrust({
    ...options,
    place: base,
    content: bytes,
    signatures: () => findSignatures(options, source, base),
  });
  options.onTrust?.(verdict);
  const where = source.kind === "release" ? `${base}/${checksumsName}` : join(base, checksumsName);
  return { checksums: parseChecksums(new TextDecoder().decode(bytes), where), base };
}

/**
 * What the signed list beside an archive says of it; undefined where the trust policy asks for no signature.
 *
 * @throws KelpieError `untrusted-key` where the policy refuses the list, or the list does not have the archive.
 */
export async function signedDigest(options: ListingOptions, archive: string): Promise<string | undefined> {
  const directory = dirname(archive);
  const source = { kind: "directory", path: directory, text: directory } as const;
  const bytes = await readSmallFile(options, source, directory, checksumsName, maxChecksumsBytes);
  const verdict = await checkTrust({
    ...options,
    place: directory,
    content: bytes ?? new Uint8Array(0),
    signatures: async () => (bytes === undefined ? [] : await findSignatures(options, source, directory)),
  });
  options.onTrust?.(verdict);
  if (verdict.kind !== "signed") return undefined;
  const sha256 = parseChecksums(new TextDecoder().decode(bytes), checksumsName).get(basename(archive));
  if (sha256 !== undefined) return sha256;
  throw new KelpieError("untrusted-key", "The signed list of checksums does not have this archive", {
    where: archive,
  });
}

async function findSignatures(
  options: ListingOptions,
  source: ReleaseSource,
  base: string,
): Promise<readonly FoundSignature[]> {
  const found: FoundSignature[] = [];
  for (const [kind, name, maxBytes] of [
    ["envelope", checksumsEnvelopeName, maxEnvelopeBytes],
    ["bundle", checksumsBundleName, maxBundleBytes],
  ] as const) {
    const bytes = await readSmallFile(options, source, base, name, maxBytes);
    if (bytes !== undefined) found.push({ kind, bytes, where: `${base}/${name}` });
  }
  return found;
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
