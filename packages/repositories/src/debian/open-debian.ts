// Debian's repository by whatever this host has: its own apt, or else Kelpie's client.

import { join } from "node:path";
import { type Architecture, KelpieError } from "@kelpie/platform";
import { downloadVerified } from "../download.ts";
import type { DownloadPlatform } from "../http-get.ts";
import { hasApt } from "./apt/private-apt.ts";
import { type DebianThroughAptOptions, openDebianThroughApt } from "./apt/through-apt.ts";
import { presentKeyrings } from "./defaults.ts";
import { type DebianMirrorOptions, openDebianMirror } from "./mirror/open-mirror.ts";
import type { DebianRepository } from "./repository.ts";
import { verifiedRepository } from "./verified-repository.ts";

export interface OpenDebianOptions
  extends Omit<DebianThroughAptOptions, "keyrings">,
    Omit<DebianMirrorOptions, "keyrings"> {
  /** Default `auto`: apt where the host has it. Both yield the same packages. */
  readonly through?: "auto" | DebianRepository["through"];
  /** Files with Debian's archive keys, for what the host's apt names no keys for. Default the host's keyring package. */
  readonly keyrings?: readonly string[];
}

/**
 * Opens Debian's repository; the result's `through` says which way it was.
 *
 * @throws KelpieError as {@link openDebianThroughApt} and {@link openDebianMirror}; `untrusted-key` if Kelpie's client is
 * to be used and no key is known.
 */
export async function openDebian(options: OpenDebianOptions): Promise<DebianRepository> {
  const { platform, through = "auto" } = options;
  const keyrings = await presentKeyrings(platform, options.keyrings);
  if (through === "apt" || (through === "auto" && (await hasApt(platform))))
    return await openDebianThroughApt({ ...options, keyrings });
  if (keyrings.length > 0) return await openDebianMirror({ ...options, keyrings });
  throw new KelpieError("untrusted-key", "Debian's packages cannot be verified: no archive key is known", {
    expected: options.keyrings?.join(" or ") ?? "the files of the package debian-archive-keyring",
    found: "none of them",
    help: "Name a keyring with Debian's archive keys in the spec.",
  });
}

/** What {@link debianCache} needs. */
export interface DebianCacheOptions {
  readonly platform: DownloadPlatform;
  /** Kelpie's cache; everything stands in its directory `debian`. */
  readonly cacheDirectory: string;
  readonly architecture: Architecture;
}

/** The archives that the cache has, for packages that a lock names: no index is read, and nothing is downloaded. */
export function debianCache({
  platform,
  cacheDirectory,
  architecture,
}: DebianCacheOptions): DebianRepository {
  return verifiedRepository({
    platform,
    through: "mirror",
    architecture,
    indexes: [],
    cacheDirectory: join(cacheDirectory, "debian"),
    fetchArchive: ({ path, url, sizeBytes, sha256, signal }) =>
      downloadVerified(platform, {
        url,
        sizeBytes,
        maxBytes: sizeBytes,
        sha256,
        cachePath: path,
        offline: true,
        signal,
      }),
  });
}
