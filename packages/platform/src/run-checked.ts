// Runs a program that must succeed.

import { KelpieError } from "./errors.ts";
import type { ProcessResult, Processes, RunOptions } from "./processes.ts";

const tailBytes = 2000;

/** As `Processes.run`; any end but exit code 0 is `process-failed`, with the end of what it wrote to stderr. */
export async function runChecked(
  processes: Processes,
  command: string,
  args: readonly string[],
  options?: RunOptions,
): Promise<ProcessResult> {
  const result = await processes.run(command, args, options);
  if (result.exit.kind === "exited" && result.exit.code === 0) return result;
  throw new KelpieError("process-failed", `${command} ${args.join(" ")} failed`, {
    expected: "exit code 0",
    found: `${result.exit.kind === "exited" ? `exit code ${result.exit.code}` : result.exit.signal}\n${result.stderr.slice(-tailBytes)}`,
  });
}
