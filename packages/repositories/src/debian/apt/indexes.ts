// The Packages indexes that the private apt keeps: refreshed when they are old, verified at every use.

import { createHash } from "node:crypto";
import { join, relative } from "node:path";
import { describeError, KelpieError, type Platform, writeFileAtomic } from "@kelpie/platform";
import { z } from "zod";
import type { IndexPart } from "../package-index.ts";
import { aptComplaints, type PrivateApt, runApt } from "./private-apt.ts";

export interface RefreshPolicy {
  /** Indexes older than this are refreshed, in milliseconds. */
  readonly maxAgeMs: number;
  /** Never refreshed: what is there is used, however old. */
  readonly offline: boolean;
}

export interface WantedIndexes {
  readonly suites: readonly string[];
  readonly components: readonly string[];
  readonly architecture: string;
}

const maxIndexBytes = 512 << 20;
const recordName = "indexes.json";
const indexRecord = z.strictObject({
  /** Relative to apt's directory: a cache may be moved. */
  file: z.string(),
  sha256: z.string(),
  sizeBytes: z.number(),
  repositoryUrl: z.string(),
  suite: z.string(),
  component: z.string(),
});
const refreshRecord = z.strictObject({ refreshedAtMs: z.number(), indexes: z.array(indexRecord) });
type IndexRecord = z.infer<typeof indexRecord>;
type RefreshRecord = z.infer<typeof refreshRecord>;

/**
 * The indexes of Origin Debian for every wanted suite and component, in the order in which these are wanted. When they
 * cannot be refreshed and older ones are there, those are used and `report` says so.
 *
 * @throws KelpieError `unreachable` with apt's own messages, `cancelled`.
 */
export async function aptIndexes(
  platform: Platform,
  apt: PrivateApt,
  wanted: WantedIndexes,
  policy: RefreshPolicy,
  report: (line: string) => void,
  signal: AbortSignal | undefined,
): Promise<IndexPart[]> {
  const kept = await readRecord(platform, apt);
  const keptParts = kept === undefined ? undefined : await readParts(platform, apt, kept, wanted);
  const ageMs = platform.clock.nowMs() - (kept?.refreshedAtMs ?? 0);
  if (keptParts !== undefined && (policy.offline || (ageMs >= 0 && ageMs < policy.maxAgeMs)))
    return keptParts;
  if (policy.offline) {
    throw new KelpieError(
      "unreachable",
      "Debian's package indexes are not in the cache, and downloads are switched off",
      {
        where: apt.directory,
      },
    );
  }
  try {
    const record = await refresh(platform, apt, wanted, signal);
    const parts = await readParts(platform, apt, record, wanted);
    if (parts !== undefined) return parts;
    throw new KelpieError("internal", "apt's indexes changed while they were read", { where: apt.directory });
  } catch (error) {
    if (keptParts === undefined || signal?.aborted === true) throw error;
    report(
      `Debian's package indexes could not be refreshed (${describeError(error).split("\n", 1)[0] ?? ""}); those of ${new Date(kept?.refreshedAtMs ?? 0).toISOString()} are used.`,
    );
    return keptParts;
  }
}

async function refresh(
  platform: Platform,
  apt: PrivateApt,
  wanted: WantedIndexes,
  signal: AbortSignal | undefined,
): Promise<RefreshRecord> {
  const update = await runApt(platform, apt, "apt-get", ["-q", "update"], signal);
  // Its exit says little: one foreign source that fails is a failure, a mirror that cannot be reached is not.
  const listed = await listIndexes(platform, apt);
  const indexes: IndexRecord[] = [];
  for (const { suite, component } of wantedPairs(wanted)) {
    const index = listed.find(
      (target) =>
        target.origin === "Debian" &&
        target.codename === suite &&
        target.component === component &&
        target.architecture === wanted.architecture,
    );
    const complaints = aptComplaints(update);
    if (index === undefined) {
      throw new KelpieError("unreachable", "apt did not get a package index", {
        expected: `Debian's ${suite}/${component} for ${wanted.architecture}`,
        found: complaints === "" ? "no such index in its lists" : complaints,
        help: "Check this machine's network, proxy and apt sources; `apt-get update` as root shows the same failure.",
      });
    }
    // apt keeps what it had when a refresh fails.
    if (complaints.includes(`Failed to fetch ${index.repositoryUrl}dists/${suite}/`)) {
      throw new KelpieError("unreachable", "apt could not refresh a package index", { found: complaints });
    }
    const bytes = await platform.files.readFile(index.file, maxIndexBytes);
    indexes.push({
      file: relative(apt.directory, index.file),
      sha256: sha256(bytes),
      sizeBytes: bytes.length,
      repositoryUrl: index.repositoryUrl,
      suite,
      component,
    });
  }
  const record = { refreshedAtMs: platform.clock.nowMs(), indexes };
  await writeFileAtomic(
    platform,
    join(apt.directory, recordName),
    `${JSON.stringify(record, undefined, 2)}\n`,
  );
  return record;
}

interface ListedIndex {
  readonly file: string;
  readonly repositoryUrl: string;
  readonly origin: string;
  readonly codename: string;
  readonly component: string;
  readonly architecture: string;
}

async function listIndexes(platform: Platform, apt: PrivateApt): Promise<ListedIndex[]> {
  const fields = ["FILENAME", "REPO_URI", "ORIGIN", "CODENAME", "COMPONENT", "ARCHITECTURE"];
  const format = fields.map((name) => `$(${name})`).join("\t");
  const listing = await runApt(platform, apt, "apt-get", [
    "indextargets",
    "--format",
    format,
    "Created-By: Packages",
  ]);
  return new TextDecoder()
    .decode(listing.stdout)
    .split("\n")
    .flatMap((line): ListedIndex[] => {
      const [file, repositoryUrl, origin, codename, component, architecture] = line.split("\t");
      if (file === undefined || repositoryUrl === undefined || origin === undefined) return [];
      if (codename === undefined || component === undefined || architecture === undefined) return [];
      return [{ file, repositoryUrl, origin, codename, component, architecture }];
    });
}

function wantedPairs({
  suites,
  components,
}: WantedIndexes): { readonly suite: string; readonly component: string }[] {
  return suites.flatMap((suite) => components.map((component) => ({ suite, component })));
}

async function readRecord(
  { files }: Platform,
  { directory }: PrivateApt,
): Promise<RefreshRecord | undefined> {
  const path = join(directory, recordName);
  if ((await files.stat(path)) === undefined) return undefined;
  const text = new TextDecoder().decode(await files.readFile(path, 1 << 20));
  try {
    return refreshRecord.parse(JSON.parse(text));
  } catch {
    // Of another version, or damaged: a refresh writes it anew.
    return undefined;
  }
}

/** The recorded indexes, or undefined where a wanted one is missing or is not what was recorded. */
async function readParts(
  { files }: Platform,
  { directory }: PrivateApt,
  { indexes }: RefreshRecord,
  wanted: WantedIndexes,
): Promise<IndexPart[] | undefined> {
  const parts: IndexPart[] = [];
  for (const { suite, component } of wantedPairs(wanted)) {
    const index = indexes.find((one) => one.suite === suite && one.component === component);
    if (index === undefined) return undefined;
    const file = join(directory, index.file);
    if ((await files.stat(file))?.sizeBytes !== index.sizeBytes) return undefined;
    const bytes = await files.readFile(file, maxIndexBytes);
    if (sha256(bytes) !== index.sha256) return undefined;
    const { repositoryUrl } = index;
    parts.push({
      bytes,
      repositoryUrl,
      label: `${repositoryUrl.replace(/\/+$/, "")} ${suite}/${component} ${wanted.architecture}`,
    });
  }
  return parts;
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
