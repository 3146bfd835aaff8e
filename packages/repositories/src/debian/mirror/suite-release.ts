// The signed Release of one suite: fetched, verified, kept as it was signed, and refreshed.

import { join } from "node:path";
import { describeError, KelpieError, randomHex, writeFileAtomic } from "@kelpie/platform";
import { downloadVerified } from "../../download.ts";
import { parseRelease, type Release } from "./release.ts";
import { verifyDetached, verifyInline } from "./signature.ts";
import { type SuiteOptions, suiteUrl } from "./suite-options.ts";

/** What was fetched: one file signed inline, or two. */
type SignedFiles =
  | { readonly kind: "inline"; readonly inRelease: Uint8Array }
  | { readonly kind: "detached"; readonly release: Uint8Array; readonly signature: Uint8Array };

export interface CurrentRelease {
  readonly release: Release;
  /** Whether it has just come from the mirror. */
  readonly isNew: boolean;
}

const maxReleaseBytes = 16 << 20;
const futureToleranceMs = 24 * 3_600_000;
const inlineName = "InRelease";
const detachedNames = ["Release", "Release.gpg"] as const;
const refreshedName = "refreshed";

/**
 * The suite's release: the kept one while it is fresh, else the mirror's, else, where the mirror cannot be reached, the
 * kept one again.
 *
 * @throws KelpieError `signature-invalid`, `untrusted-key`, `not-found`, `unreachable`, `malformed`.
 */
export async function currentRelease(options: SuiteOptions): Promise<CurrentRelease> {
  await options.platform.files.makeDirectory(options.directory);
  const kept = await keptRelease(options);
  const ageMs = options.platform.clock.nowMs() - (await refreshedAtMs(options));
  const isFresh = options.offline || (ageMs >= 0 && ageMs < options.maxAgeMs);
  if (kept !== undefined && isFresh) return { release: kept, isNew: false };
  if (options.offline) {
    throw new KelpieError(
      "unreachable",
      "The cache does not have a release, and downloads are switched off",
      { where: suiteUrl(options) },
    );
  }
  return await refreshed(options, kept);
}

/** The mirror's release if it can be had, else the kept one. */
async function refreshed(options: SuiteOptions, kept: Release | undefined): Promise<CurrentRelease> {
  const { report, signal } = options;
  const newer = await fetchSigned(options).catch((error: unknown): undefined => {
    const isAbsent = KelpieError.is(error) && (error.code === "unreachable" || error.code === "timeout");
    if (kept === undefined || signal?.aborted === true || !isAbsent) throw error;
    report(
      `${suiteUrl(options)} could not be refreshed (${describeError(error)}); what was fetched before is used.`,
    );
  });
  if (newer === undefined && kept !== undefined) return { release: kept, isNew: false };
  if (newer === undefined) throw new KelpieError("internal", "A release is neither fetched nor kept");
  const release = await checked(options, newer);
  if (kept !== undefined && release.dateMs < kept.dateMs) {
    // A mirror that lags, or one that is made to serve what was withdrawn.
    report(`${suiteUrl(options)} offers an older release than it did before; the newer one is used.`);
    return { release: kept, isNew: false };
  }
  await keep(options, newer);
  return { release, isNew: true };
}

/** From now on the release counts as fresh: said once its indexes are there, so that a failure is tried again at once. */
export async function markRefreshed({ platform, directory }: SuiteOptions): Promise<void> {
  await writeFileAtomic(platform, join(directory, refreshedName), `${platform.clock.nowMs()}\n`);
}

/** Verifies the signature and that the release is the wanted one and holds today. */
async function checked(options: SuiteOptions, signed: SignedFiles): Promise<Release> {
  const { platform, trusted, suite, allowExpired } = options;
  const nowMs = platform.clock.nowMs();
  const now = new Date(nowMs);
  const where = suiteUrl(options);
  const text =
    signed.kind === "inline"
      ? await verifyInline(signed.inRelease, trusted, now, where)
      : await verifyDetached(signed.release, signed.signature, trusted, now, where);
  const release = parseRelease(text, where);
  if (release.codename !== suite && release.suite !== suite) {
    throw new KelpieError("signature-invalid", "A mirror offers another suite's release", {
      expected: suite,
      found: release.codename,
      where,
    });
  }
  if (!allowExpired && release.validUntilMs !== undefined && release.validUntilMs < nowMs) {
    throw new KelpieError("signature-invalid", "A release is out of date", {
      expected: "one that holds today",
      found: `valid until ${new Date(release.validUntilMs).toISOString()}`,
      where,
      help: "The mirror is no longer updated, or this machine's clock is wrong.",
    });
  }
  if (release.dateMs > nowMs + futureToleranceMs) {
    throw new KelpieError("signature-invalid", "A release is from the future", {
      found: new Date(release.dateMs).toISOString(),
      where,
      help: "This machine's clock is wrong.",
    });
  }
  return release;
}

async function fetchSigned(options: SuiteOptions): Promise<SignedFiles> {
  try {
    return { kind: "inline", inRelease: await fetchWhole(options, inlineName) };
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "not-found") throw error;
  }
  const [releaseName, signatureName] = detachedNames;
  const release = await fetchWhole(options, releaseName);
  const signature = await fetchWhole(options, signatureName);
  return { kind: "detached", release, signature };
}

/** A file that changes in place, so it is always fetched, under a name of its own. */
async function fetchWhole(options: SuiteOptions, name: string): Promise<Uint8Array> {
  const { platform, directory, signal, transfer } = options;
  const cachePath = join(directory, `.${name}.${randomHex(platform.random, 6)}`);
  try {
    await downloadVerified(platform, {
      url: `${suiteUrl(options)}/${name}`,
      maxBytes: maxReleaseBytes,
      cachePath,
      signal,
      ...transfer,
    });
    return await platform.files.readFile(cachePath, maxReleaseBytes);
  } finally {
    await platform.files.remove(cachePath);
  }
}

/** What is kept is as it was signed, and is verified at every use. Undefined if there is none, or none that verifies. */
async function keptRelease(options: SuiteOptions): Promise<Release | undefined> {
  const { platform, directory } = options;
  const read = async (name: string): Promise<Uint8Array | undefined> => {
    const path = join(directory, name);
    return (await platform.files.stat(path)) === undefined
      ? undefined
      : platform.files.readFile(path, maxReleaseBytes);
  };
  const inRelease = await read(inlineName);
  const [release, signature] = await Promise.all(detachedNames.map(read));
  try {
    if (inRelease !== undefined) return await checked(options, { kind: "inline", inRelease });
    if (release !== undefined && signature !== undefined)
      return await checked(options, { kind: "detached", release, signature });
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
    options.report(`What was kept of ${suiteUrl(options)} is not used: ${error.message}`);
  }
  return undefined;
}

async function keep({ platform, directory }: SuiteOptions, signed: SignedFiles): Promise<void> {
  const [releaseName, signatureName] = detachedNames;
  if (signed.kind === "inline") {
    await writeFileAtomic(platform, join(directory, inlineName), signed.inRelease);
    return;
  }
  await platform.files.remove(join(directory, inlineName));
  await writeFileAtomic(platform, join(directory, releaseName), signed.release);
  await writeFileAtomic(platform, join(directory, signatureName), signed.signature);
}

async function refreshedAtMs({ platform, directory }: SuiteOptions): Promise<number> {
  const path = join(directory, refreshedName);
  if ((await platform.files.stat(path)) === undefined) return 0;
  return Number(new TextDecoder().decode(await platform.files.readFile(path, 64))) || 0;
}
