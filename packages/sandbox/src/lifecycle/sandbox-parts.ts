// What a sandbox consists of in this process, whether it was created here or opened.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { AgentClient } from "../agent/agent-client.ts";
import type { GuestStart } from "../templates/start-guest.ts";
import { describeStop } from "../vmm/vm-state.ts";
import type { VirtualMachine } from "../vmm/vmm.ts";
import type { Attachment, FinishTarget } from "./attachment.ts";
import { endOf } from "./await-guest.ts";
import type { RequestDefaults } from "./sandbox-options.ts";

const defaultConsoleLines = 20;

/** The parts. */
export interface SandboxParts {
  readonly platform: Platform;
  /** KELPIE_HOME. */
  readonly home: string;
  readonly id: string;
  readonly name: string;
  readonly runDirectory: string;
  readonly machine: VirtualMachine;
  readonly agent: AgentClient;
  /** Undefined where another process started it. */
  readonly start: GuestStart | undefined;
  /** Undefined where another process attached them. */
  readonly attachments: readonly Attachment[] | undefined;
  readonly livesOn: boolean;
  readonly defaults: RequestDefaults;
}

/** The sandbox as its attachments see it. */
export function targetOf(parts: SandboxParts, signal: AbortSignal): FinishTarget {
  const { machine, agent, runDirectory, livesOn } = parts;
  return { machine, agent, runDirectory, livesOn, signal };
}

/** The console's last lines, for a diagnosis. */
export async function consoleTail(
  { machine }: Pick<SandboxParts, "machine">,
  lines = defaultConsoleLines,
): Promise<string[]> {
  return (await machine.diagnose()).console.lastLines(lines);
}

/** `error`, and where it says that the guest was lost, with how that came about and the console's last lines. */
export async function explainLoss(parts: SandboxParts, error: unknown): Promise<unknown> {
  if (!KelpieError.is(error) || error.code !== "guest-lost") return error;
  const reason = await endOf(parts.machine, parts.platform);
  if (reason === undefined) return error;
  return new KelpieError("guest-lost", `The guest is gone: ${describeStop(reason)}`, {
    found: ["the console ends with:", ...(await consoleTail(parts))].join("\n"),
    cause: error,
  });
}
