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

/** Shows the progress of the transfer `name`, which begins now. */
export function progressOf(phases: Phases, clock: Clock, name: string): (progress: TransferProgress) => void {
  const start = clock.monotonicMs();
  let last = start;
  return (progress) => {
    const now = clock.monotonicMs();
    if (now - last < intervalMs) return;
    last = now;
    phases.now(name, transferLine(progress, now - start));
  };
}

/** "42 % of 139 MB, 12.1 MB transferred at 8.30 MB/s, 5 s left". */
export function transferLine(
  { doneBytes, totalBytes, networkBytes }: TransferProgress,
  elapsedMs: number,
): string {
  const share = totalBytes === 0 ? 1 : doneBytes / totalBytes;
  const seconds = elapsedMs / 1000;
  const rate = seconds > 0 ? networkBytes / seconds : 0;
  const left = share > 0.01 && share < 1 ? `, ${Math.ceil((seconds * (1 - share)) / share)} s left` : "";
  const percent = Math.floor(100 * share);
  return `${percent} % of ${formatSize(totalBytes)}, ${formatSize(networkBytes)} transferred at ${formatSize(Math.round(rate))}/s${left}`;
}
