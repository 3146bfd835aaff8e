// The processes that were started in a sandbox, and that can be attached to.

import { KelpieError, printableLine } from "@kelpie/platform";
import type { CallOptions } from "../agent/call-guest.ts";
import type { Sandbox } from "./sandbox.ts";

/** A process that runs, or has ended and is remembered. */
export interface SandboxProcess {
  /** Its name for {@link Sandbox.attach}. */
  readonly id: string;
  readonly pid: number;
  /** For people: on one line each, without control characters. */
  readonly argv: readonly string[];
  readonly isRunning: boolean;
  readonly hasTerminal: boolean;
}

const idPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** In the order of their start. `guest-lost`, `timeout` after ten seconds, `malformed` for a name that none can have. */
export async function listProcesses(
  { agent }: Pick<Sandbox, "agent">,
  signal: AbortSignal,
  options: CallOptions = {},
): Promise<SandboxProcess[]> {
  const processes = await agent.listProcesses({ ...options, signal });
  return processes.map(({ id, pid, argv, exit, terminal }) => ({
    id: processId(id),
    pid,
    argv: argv.map(printableLine),
    isRunning: exit === undefined,
    hasTerminal: terminal,
  }));
}

function processId(id: string): string {
  if (idPattern.test(id)) return id;
  throw new KelpieError("malformed", "The guest tells of a process as there can be none", {
    expected: "a name of 1 to 64 of A-Z a-z 0-9 _ -",
    found: JSON.stringify(printableLine(id.slice(0, 100))),
  });
}
