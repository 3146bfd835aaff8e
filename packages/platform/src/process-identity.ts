// Which process, and which boot of the host: what tells a process from a later one with the same id.

import type { Files } from "./files.ts";
import type { Processes } from "./processes.ts";
import { readTextIfPresent } from "./read-text-if-present.ts";

const maxTextBytes = 4096;
const startTimeField = 19;

/** A process id may be used again, so the time of its start (Linux: field 22 of /proc/PID/stat) goes with it. */
export interface ProcessIdentity {
  readonly pid: number;
  /** `unknown` where the system does not tell. */
  readonly startTime: string;
}

type Parts = { readonly files: Pick<Files, "readFile">; readonly processes: Pick<Processes, "isAlive"> };

/** Who has `pid` now. */
export async function identifyProcess(files: Parts["files"], pid: number): Promise<ProcessIdentity> {
  const status = await readTextIfPresent(files, `/proc/${pid}/stat`, maxTextBytes).catch(() => undefined);
  // The second field, the program's name in parentheses, may have spaces.
  const startTime = status?.slice(status.lastIndexOf(")") + 2).split(" ")[startTimeField];
  return { pid, startTime: startTime ?? "unknown" };
}

/** Whether that very process still exists. */
export async function isSameProcessAlive(
  { files, processes }: Parts,
  who: ProcessIdentity,
): Promise<boolean> {
  if (!Number.isSafeInteger(who.pid) || who.pid <= 0 || !processes.isAlive(who.pid)) return false;
  return (await identifyProcess(files, who.pid)).startTime === who.startTime;
}

/** Differs from one boot of the host to the next; `unknown` where the system does not tell. */
export async function hostBootId(files: Pick<Files, "readFile">): Promise<string> {
  return (
    (await readTextIfPresent(files, "/proc/sys/kernel/random/boot_id", maxTextBytes))?.trim() ?? "unknown"
  );
}
