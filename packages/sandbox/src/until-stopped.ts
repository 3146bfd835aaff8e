// Waiting for a process that was sent SIGSTOP. The signal is only on its way when kill(2) returns: each thread runs on until
// it has taken it, on a busy host for some milliseconds.

import { type Clock, type Files, KelpieError, readTextIfPresent } from "@kelpie/platform";

const standsWithinMs = 10_000;
const lookAgainAfterMs = 2;
const maxStatBytes = 4096;
/** proc_pid_stat(5): stopped, by a signal or a debugger; or ended. */
const standing = ["T", "t", "Z", "X"];

/** Resolves when no thread of the process runs, or the process is gone. Needs Linux. @throws KelpieError `timeout` */
export async function untilStopped(
  { clock, files }: { readonly clock: Clock; readonly files: Pick<Files, "list" | "readFile"> },
  pid: number,
): Promise<void> {
  using deadline = clock.deadline(standsWithinMs, "Stopping a process");
  while (!(await isStopped(files, pid))) await clock.sleep(lookAgainAfterMs, deadline.signal);
}

async function isStopped(files: Pick<Files, "list" | "readFile">, pid: number): Promise<boolean> {
  const directory = `/proc/${pid}/task`;
  const threads = await files.list(directory).catch((error: unknown) => {
    if (KelpieError.is(error) && error.code === "not-found") return [];
    throw error;
  });
  const states = await Promise.all(
    threads.map(async (thread) => {
      const stat = await readTextIfPresent(files, `${directory}/${thread}/stat`, maxStatBytes).catch(
        () => undefined,
      );
      return stat?.at(stat.lastIndexOf(")") + 2);
    }),
  );
  return states.every((state) => state === undefined || standing.includes(state));
}
