// Progress of a transfer for people: how much, how fast, how long still; on a pipe a plain line now and then.

import type { Clock } from "@kelpie/platform";
import type { TransferProgress } from "@kelpie/images";
import type { Phases } from "./phases.ts";
import { formatSize } from "./size.ts";

const terminalIntervalMs = 100;
const plainIntervalMs = 5_000;

/** Shows the progress of the transfer `name`, no more often than it can be read. */
export function showTransfer(
  phases: Phases,
  clock: Clock,
  isTerminal: boolean,
  name: string,
): (progress: TransferProgress) => void {
  const start = clock.monotonicMs();
  let last = start;
  return (progress) => {
    const now = clock.monotonicMs();
    if (now - last < (isTerminal ? terminalIntervalMs : plainIntervalMs)) return;
    last = now;
    const line = transferLine(progress, now - start);
    if (isTerminal) phases.now(name, line);
    else phases.say(`  ${name} ${line}`);
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
