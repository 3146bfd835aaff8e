// Which images nobody will miss: by age, count, size and last use.

import { type Architecture } from "@kelpie/platform";
import { imageFiles, type ImageMetadata } from "../metadata/image-metadata.ts";
import { compareAge, type Dated } from "./newest.ts";

/** What pruning needs to know of an image. */
export interface PruneCandidate {
  readonly image: Dated & {
    readonly name: string;
    readonly architecture: Architecture;
    readonly files: ImageMetadata["files"];
    readonly tags: readonly string[];
  };
  /** When it came into the store, and when it was last used; milliseconds since 1970. */
  readonly addedMs: number;
  readonly usedMs: number;
  /** Who uses it now. */
  readonly holders: readonly string[];
}

/** An image goes by any of the first two; by count where none of them is given; by size after that. */
export interface PrunePolicy {
  readonly olderThanMs?: number | undefined;
  readonly unusedForMs?: number | undefined;
  /** The newest of each name and architecture that stay in any case. */
  readonly keep?: number | undefined;
  /** What may remain, equal files counted once: the least recently used go first. */
  readonly maxBytes?: number | undefined;
}

/** What is to become of one image, and why. */
export interface PruneVerdict<C extends PruneCandidate = PruneCandidate> {
  readonly candidate: C;
  readonly kind: "goes" | "stays";
  readonly reason: string;
}

/** What goes by `policy`. Images that are in use or tagged always stay. A policy that says nothing removes nothing. */
export function planPrune<C extends PruneCandidate>(
  candidates: readonly C[],
  policy: PrunePolicy,
  nowMs: number,
): readonly PruneVerdict<C>[] {
  const verdicts = candidates.map((candidate) => verdictOf(candidate, candidates, policy, nowMs));
  const { maxBytes } = policy;
  return maxBytes === undefined ? verdicts : withinSize(verdicts, candidates, policy, maxBytes);
}

/** The bytes of all files of these images, equal ones counted once. */
export function distinctBytes(candidates: readonly PruneCandidate[]): number {
  const sizes = new Map<string, number>();
  for (const { image } of candidates)
    for (const { sha256, sizeBytes } of imageFiles(image)) sizes.set(sha256, sizeBytes);
  return [...sizes.values()].reduce((sum, size) => sum + size, 0);
}

function verdictOf<C extends PruneCandidate>(
  candidate: C,
  all: readonly C[],
  { olderThanMs, unusedForMs, keep, maxBytes }: PrunePolicy,
  nowMs: number,
): PruneVerdict<C> {
  const kept = protection(candidate, all, keep);
  if (kept !== undefined) return { candidate, kind: "stays", reason: kept };
  const goes = (reason: string): PruneVerdict<C> => ({ candidate, kind: "goes", reason });
  const { addedMs, usedMs } = candidate;
  if (olderThanMs !== undefined && nowMs - addedMs > olderThanMs) return goes(`${days(nowMs - addedMs)} old`);
  if (unusedForMs !== undefined && nowMs - usedMs > unusedForMs)
    return goes(`not used for ${days(nowMs - usedMs)}`);
  const isByCount = olderThanMs === undefined && unusedForMs === undefined && maxBytes === undefined;
  if (keep !== undefined && isByCount) return goes(`not among the newest ${keep} of its name`);
  return { candidate, kind: "stays", reason: "no rule says otherwise" };
}

function protection(
  candidate: PruneCandidate,
  all: readonly PruneCandidate[],
  keep: number | undefined,
): string | undefined {
  const { image, holders } = candidate;
  if (holders.length > 0) return `in use by ${holders.join(", ")}`;
  if (image.tags.length > 0) return `tagged ${image.tags.join(", ")}`;
  if (keep === undefined) return undefined;
  const newer = all.filter(
    ({ image: other }) =>
      other.name === image.name && other.architecture === image.architecture && compareAge(other, image) > 0,
  );
  return newer.length < keep ? `among the newest ${keep} of its name` : undefined;
}

/** Lets the least recently used go until the rest fits. */
function withinSize<C extends PruneCandidate>(
  verdicts: readonly PruneVerdict<C>[],
  all: readonly C[],
  { keep }: PrunePolicy,
  maxBytes: number,
): readonly PruneVerdict<C>[] {
  const doomed = new Map(verdicts.map((verdict) => [verdict.candidate, verdict]));
  const remaining = (): readonly C[] => all.filter((candidate) => doomed.get(candidate)?.kind === "stays");
  const movable = remaining()
    .filter((candidate) => protection(candidate, all, keep) === undefined)
    .toSorted((a, b) => a.usedMs - b.usedMs);
  for (const candidate of movable) {
    if (distinctBytes(remaining()) <= maxBytes) break;
    doomed.set(candidate, {
      candidate,
      kind: "goes",
      reason: "the least recently used, and all are too large",
    });
  }
  return all.flatMap((candidate) => doomed.get(candidate) ?? []);
}

function days(durationMs: number): string {
  const hours = Math.floor(durationMs / 3_600_000);
  return hours < 48 ? `${hours} h` : `${Math.floor(hours / 24)} days`;
}
