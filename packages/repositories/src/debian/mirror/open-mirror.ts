// Debian's packages by Kelpie's own client, for hosts that have no apt: everything is verified from the archive's keys down.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { acquireFileLock, type Architecture, KelpieError, type Platform } from "@kelpie/platform";
import { downloadVerified } from "../../download.ts";
import {
  configuredMirror,
  defaultMaxIndexAgeMs,
  defaultRelease,
  defaultSuites,
  noMirror,
  securityMirrorOf,
} from "../defaults.ts";
import { mapConcurrently } from "../map-concurrently.ts";
import type { DebianRepository } from "../repository.ts";
import { verifiedRepository } from "../verified-repository.ts";
import { readTrustedKeys } from "./signature.ts";
import { openSuite } from "./suite.ts";
import type { TransferOptions } from "./suite-options.ts";

export interface DebianMirrorOptions {
  readonly platform: Platform;
  /** Kelpie's cache; everything stands in its directory `debian`. */
  readonly cacheDirectory: string;
  readonly architecture: Architecture;
  /** URL that `dists/` and `pool/` stand under. Default KELPIE_DEBIAN_MIRROR. */
  readonly mirror?: string;
  /** The same for suites that end in "-security". Default the mirror's address with "-security" at its end. */
  readonly securityMirror?: string;
  /** Codename. Default "bookworm". */
  readonly release?: string;
  /** Default the release itself, its -updates and its -security. */
  readonly suites?: readonly string[];
  /** Default ["main"]. */
  readonly components?: readonly string[];
  /** Files with the archive's keys, binary or armored. One valid signature by any of them is enough. */
  readonly keyrings: readonly string[];
  /** Releases past their Valid-Until are taken, as snapshots of the past need. Default false. */
  readonly allowExpired?: boolean;
  /** Indexes older than this are refreshed. Default one hour. */
  readonly maxIndexAgeMs?: number;
  /** Nothing is downloaded. */
  readonly offline?: boolean;
  readonly transfer?: TransferOptions;
  readonly report?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

const maxKeyringBytes = 16 << 20;

/**
 * Opens Debian's repository on a mirror.
 *
 * @throws KelpieError `signature-invalid`, `untrusted-key`, `digest-mismatch`, `not-found`, `unreachable`, `malformed`,
 * `invalid-input` without a key.
 */
export async function openDebianMirror(options: DebianMirrorOptions): Promise<DebianRepository> {
  const {
    platform,
    architecture,
    signal,
    release = defaultRelease,
    suites = defaultSuites(release),
  } = options;
  const { components = ["main"], offline = false, allowExpired = false, transfer = {} } = options;
  const cacheDirectory = join(options.cacheDirectory, "debian");
  const keyrings = await Promise.all(
    options.keyrings.map((path) => platform.files.readFile(path, maxKeyringBytes)),
  );
  const trusted = await readTrustedKeys(keyrings, options.keyrings.join(", "));
  const opened = await mapConcurrently(suites, suites.length, signal, async (suite, stop) => {
    const mirror = mirrorOf(options, suite);
    const directory = join(cacheDirectory, "mirror", `${suite}-${digest(mirror)}`);
    await platform.files.makeDirectory(directory);
    const lock = { purpose: `reading ${mirror} ${suite}`, signal: stop };
    await using _lock = await acquireFileLock(platform, join(directory, "lock"), lock);
    return await openSuite({
      platform,
      mirror,
      suite,
      components,
      architecture,
      trusted,
      allowExpired,
      maxAgeMs: options.maxIndexAgeMs ?? defaultMaxIndexAgeMs,
      offline,
      directory,
      transfer,
      report: options.report ?? (() => undefined),
      signal: stop,
    });
  });
  return verifiedRepository({
    platform,
    through: "mirror",
    architecture,
    indexes: opened.flat(),
    cacheDirectory,
    fetchArchive: ({ path, url, sizeBytes, sha256, signal: stop }) =>
      downloadVerified(platform, {
        url,
        sizeBytes,
        maxBytes: sizeBytes,
        sha256,
        cachePath: path,
        offline,
        signal: stop,
        ...transfer,
      }),
  });
}

function mirrorOf(options: DebianMirrorOptions, suite: string): string {
  const { mirror = configuredMirror(options.platform), release = defaultRelease } = options;
  if (mirror === undefined) throw noMirror(release);
  const url = suite.endsWith("-security") ? (options.securityMirror ?? securityMirrorOf(mirror)) : mirror;
  if (/^https?:\/\/[^\s]+$/.test(url)) return url.replace(/\/+$/, "");
  throw new KelpieError("invalid-input", "A mirror must be an HTTP address", { found: url });
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
