// The processes that were started in a sandbox, and that can be attached to.

import { printable } from "../vmm/printable.ts";
import type { Sandbox } from "./sandbox.ts";

/** A process that runs, or has ended and is remembered. */
export interface SandboxProcess {
  /** Its name for {@link Sandbox.attach}. */
  readonly id: string;
  readonly pid: number;
  readonly argv: readonly string[];
  readonly isRunning: boolean;
  readonly hasTerminal: boolean;
}

/** In the order of their start. `guest-lost`, `timeout`. */
export async function listProcesses({ agent }: Sandbox, signal: AbortSignal): Promise<SandboxProcess[]> {
  const { processes } = await agent.processes.listProcesses({}, { signal });
  return processes.map(({ id, pid, argv, exit, terminal }) => ({
    id: printable(id),
    pid,
    argv: argv.map(printable),
    isRunning: exit === undefined,
    hasTerminal: terminal,
  }));
}
