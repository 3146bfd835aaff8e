// Which process, and which boot of the host: what tells a process from a later one with the same id.

import type { Files } from "./files.ts";
import type { Processes } from "./processes.ts";
import { readTextIfPresent } from "./read-text-if-present.ts";

const maxTextBytes = 4096;
const stateField = 0;
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
  return { pid, startTime: (await processFields(files, pid))?.[startTimeField] ?? "unknown" };
}

/** The fields of /proc/PID/stat behind the program's name, which stands in parentheses and may have spaces. */
async function processFields(files: Parts["files"], pid: number): Promise<readonly string[] | undefined> {
  const status = await readTextIfPresent(files, `/proc/${pid}/stat`, maxTextBytes).catch(() => undefined);
  return status?.slice(status.lastIndexOf(")") + 2).split(" ");
}

/** Whether that very process still runs: one that has ended and waits for its parent to look does not. */
export async function isSameProcessAlive(
  { files, processes }: Parts,
  who: ProcessIdentity,
): Promise<boolean> {
  if (!Number.isSafeInteger(who.pid) || who.pid <= 0 || !processes.isAlive(who.pid)) return false;
  const fields = await processFields(files, who.pid);
  const state = fields?.[stateField];
  return state !== "Z" && state !== "X" && (fields?.[startTimeField] ?? "unknown") === who.startTime;
}

/** Differs from one boot of the host to the next; `unknown` where the system does not tell. */
export async function hostBootId(files: Pick<Files, "readFile">): Promise<string> {
  return (
    (await readTextIfPresent(files, "/proc/sys/kernel/random/boot_id", maxTextBytes))?.trim() ?? "unknown"
  );
}
