// Progress of a transfer for people: how much, how fast, how long still.

import type { TransferProgress } from "@kelpie/images";
import type { Clock } from "@kelpie/platform";
import type { Phases } from "./phases.ts";
import { formatSize } from "./size.ts";

const intervalMs = 100;

/** Runs the transfer `name` as a phase, and shows its progress no more often than it can be read. */
export async function transferPhase<T>(
  phases: Phases,
  clock: Clock,
  name: string,
  work: (onProgress: (progress: TransferProgress) => void) => Promise<T>,
  outcome: (result: T) => string,
): Promise<T> {
  const start = clock.monotonicMs();
  const result = await work(progressOf(phases, clock, name));
  phases.done(name, clock.monotonicMs() - start, outcome(result));
  return result;
}

/** Shows the progress of the transfer `name`, which begins now, or which another process has begun. */
export function progressOf(phases: Phases, clock: Clock, name: string): (progress: TransferProgress) => void {
  let last = clock.monotonicMs();
  let first = { at: last, progress: none };
  return (progress) => {
    const now = clock.monotonicMs();
    // Rates count from what was seen first: of a process that we wait for, that is not its beginning.
    if (first.progress.by?.pid !== progress.by?.pid || first.progress.totalBytes === 0)
      first = { at: now, progress };
    if (now - last < intervalMs) return;
    last = now;
    phases.now(name, transferLine(progress, now - first.at, first.progress));
  };
}

const none: TransferProgress = { doneBytes: 0, totalBytes: 1, networkBytes: 0 };

/**
 * "42 % of 139 MB, 12.1 MB transferred at 8.30 MB/s, 5 s left", and whose transfer it is where that is another process.
 *
 * @param elapsedMs since the progress was `first`.
 */
export function transferLine(
  { doneBytes, totalBytes, networkBytes, by }: TransferProgress,
  elapsedMs: number,
  first: TransferProgress = none,
): string {
  const whose = by === undefined ? "" : `by process ${by.pid}: `;
  if (by !== undefined && totalBytes === 0) return `waiting for process ${by.pid}, ${by.purpose}`;
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const seconds = elapsedMs / 1000;
  const rate = seconds > 0 ? (networkBytes - first.networkBytes) / seconds : 0;
  const gainedBytes = doneBytes - first.doneBytes;
  const leftSeconds = Math.ceil((seconds * (totalBytes - doneBytes)) / gainedBytes);
  const left = gainedBytes > totalBytes / 100 && share < 1 ? `, ${leftSeconds} s left` : "";
  const percent = Math.floor(100 * share);
  return `${whose}${percent} % of ${formatSize(totalBytes)}, ${formatSize(networkBytes)} transferred at ${formatSize(Math.round(rate))}/s${left}`;
}
