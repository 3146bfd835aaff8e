// Debian's packages through the host's apt: its mirrors, proxies and keys hold, and it verifies the indexes.

import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import {
  acquireFileLock,
  type Architecture,
  describeError,
  KelpieError,
  type Platform,
  randomHex,
} from "@kelpie/platform";
import { fileSource } from "@kelpie/formats";
import { configuredMirror, defaultMaxIndexAgeMs, defaultSuites, presentKeyrings } from "../defaults.ts";
import type { DebianRepository } from "../repository.ts";
import { type ArchiveRequest, verifiedRepository } from "../verified-repository.ts";
import { readHostSources } from "./host-sources.ts";
import { aptIndexes } from "./indexes.ts";
import { type HostRelease, planSources } from "./plan-sources.ts";
import {
  aptComplaints,
  aptHelper,
  hasApt,
  type PrivateApt,
  preparePrivateApt,
  runApt,
} from "./private-apt.ts";

export interface DebianThroughAptOptions {
  readonly platform: Platform;
  /** Kelpie's cache; everything stands in its directory `debian`. */
  readonly cacheDirectory: string;
  readonly architecture: Architecture;
  /** Codename. Default "bookworm". */
  readonly release?: string;
  /** Default the release itself, its -updates and its -security. */
  readonly suites?: readonly string[];
  /** Default ["main"]. */
  readonly components?: readonly string[];
  /** Taken instead of the host's mirrors. */
  readonly mirror?: string;
  readonly securityMirror?: string;
  /** Files with Debian's archive keys, for sources that the host does not name itself. Default the host's keyring package. */
  readonly keyrings?: readonly string[];
  /** Indexes older than this are refreshed. Default one hour. */
  readonly maxIndexAgeMs?: number;
  /** Nothing is downloaded: indexes and archives come from the cache or not at all. */
  readonly offline?: boolean;
  /** Takes lines for a person: what is left out and why. */
  readonly report?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens Debian's repository through a private apt of the user's own. Sources, in this order: `mirror`; the host's entries
 * for the wanted suites; the host's Debian mirror with the wanted release; KELPIE_DEBIAN_MIRROR. Only indexes whose signed
 * Release says Origin: Debian are used. Runs the same as any user, root included.
 *
 * @throws KelpieError `missing-tool` without apt, `invalid-input` where no mirror is known, `unreachable` with apt's words, `cancelled`.
 */
export async function openDebianThroughApt(options: DebianThroughAptOptions): Promise<DebianRepository> {
  const { platform, architecture, release = "bookworm", components = ["main"], signal } = options;
  const { suites = defaultSuites(release), offline = false, maxIndexAgeMs = defaultMaxIndexAgeMs } = options;
  const report = options.report ?? (() => undefined);
  if (!(await hasApt(platform))) {
    throw new KelpieError("missing-tool", "This machine has no apt", {
      expected: `apt-get, apt-config and ${aptHelper}`,
      help: "Name a Debian mirror instead: Kelpie's own client reads it.",
    });
  }
  const { mirror, securityMirror } = options;
  const sources = planSources(
    { release, suites, components, mirror, securityMirror },
    await readHostSources(platform, report),
    await hostRelease(platform, options.keyrings),
  );
  const key = createHash("sha256").update(`${architecture}\n${sources}`).digest("hex").slice(0, 16);
  const cacheDirectory = join(options.cacheDirectory, "debian");
  const directory = join(cacheDirectory, "apt", `${release}-${architecture}-${key}`);
  await platform.files.makeDirectory(directory);
  const lock = { purpose: `reading Debian's package indexes`, ...(signal === undefined ? {} : { signal }) };
  await using _lock = await acquireFileLock(platform, join(directory, "lock"), lock);
  const apt = await preparePrivateApt(platform, directory, architecture, sources);
  const policy = { maxAgeMs: maxIndexAgeMs, offline };
  const indexes = await aptIndexes(
    platform,
    apt,
    { suites, components, architecture },
    policy,
    report,
    signal,
  );
  const fetchArchive = (request: ArchiveRequest): Promise<void> =>
    fetchThroughApt(platform, apt, request, offline);
  return verifiedRepository({
    platform,
    through: "apt",
    architecture,
    indexes,
    cacheDirectory,
    fetchArchive,
  });
}

async function hostRelease(
  { files, host }: Platform,
  keyrings: readonly string[] | undefined,
): Promise<HostRelease> {
  const path = "/etc/os-release";
  const text =
    (await files.stat(path)) === undefined
      ? ""
      : new TextDecoder().decode(await files.readFile(path, 1 << 16));
  const value = (name: string): string | undefined =>
    new RegExp(`^${name}="?([\\w.-]+)"?$`, "m").exec(text)?.[1];
  return {
    codename: value("ID") === "debian" ? value("VERSION_CODENAME") : undefined,
    keyrings: await presentKeyrings({ files }, keyrings),
    configuredMirror: configuredMirror({ host }),
  };
}

/** apt-helper checks the digest while it downloads; ours is checked again from the file that is left. */
async function fetchThroughApt(
  platform: Platform,
  apt: PrivateApt,
  request: ArchiveRequest,
  offline: boolean,
): Promise<void> {
  const { files, random } = platform;
  const { url, path, sha256, signal } = request;
  if (await isRight(platform, request, path)) return;
  if (offline)
    throw new KelpieError("unreachable", "The cache does not have it, and downloads are switched off", {
      where: url,
    });
  const temporary = join(dirname(path), `.${basename(path)}.${randomHex(random, 6)}.part`);
  try {
    const result = await runApt(
      platform,
      apt,
      aptHelper,
      ["-q", "download-file", url, temporary, `SHA256:${sha256}`],
      signal,
    );
    const complaints = aptComplaints(result);
    if ((await files.stat(temporary)) === undefined) {
      const isMismatch = complaints.includes("Hash Sum mismatch");
      throw new KelpieError(
        isMismatch ? "digest-mismatch" : "unreachable",
        "apt could not download a package",
        {
          found: complaints === "" ? describeError(result.stderr) : complaints,
          where: url,
        },
      );
    }
    if (!(await isRight(platform, request, temporary))) {
      throw new KelpieError("digest-mismatch", "A download is not what the index says", {
        expected: `${request.sizeBytes} bytes, sha256 ${sha256}`,
        where: url,
      });
    }
    await files.rename(temporary, path);
  } finally {
    await files.remove(temporary);
    await files.remove(`${temporary}.FAILED`);
  }
}

async function isRight(
  { files }: Pick<Platform, "files">,
  { sizeBytes, sha256 }: ArchiveRequest,
  path: string,
): Promise<boolean> {
  if ((await files.stat(path))?.sizeBytes !== sizeBytes) return false;
  const hash = createHash("sha256");
  for await (const chunk of fileSource(files, path, 0, sizeBytes).open()) hash.update(chunk);
  return hash.digest("hex") === sha256;
}
