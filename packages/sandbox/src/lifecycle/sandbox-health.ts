// How a guest is, as its agent says: small, and in numbers that a table can show.

import { KelpieError } from "@kelpie/platform";
import type { CallOptions } from "../agent/call-guest.ts";
import type { Sandbox } from "./sandbox.ts";

/** Sizes in bytes. A guest may say anything here, as far as it can be true: nothing has more available than it has. */
export interface SandboxHealth {
  readonly uptimeMs: number;
  /** The run queue's average length over one minute. */
  readonly load: number;
  readonly memoryTotal: number;
  readonly memoryAvailable: number;
  readonly diskTotal: number;
  readonly diskAvailable: number;
  readonly processes: number;
  readonly outOfMemoryKills: number;
  readonly agentRestarts: number;
  readonly sessions: number;
}

/** Asks the guest. `guest-lost`, `timeout` after ten seconds; `malformed` for numbers that no machine has. */
export async function sandboxHealth(
  { agent }: Pick<Sandbox, "agent">,
  signal: AbortSignal,
  options: CallOptions = {},
): Promise<SandboxHealth> {
  const health = await agent.health({ ...options, signal });
  const { memory } = health;
  const root = health.disks.find(({ mountPoint }) => mountPoint === "/");
  const [memoryTotal, memoryAvailable] = amounts(memory?.totalBytes, memory?.availableBytes);
  const [diskTotal, diskAvailable] = amounts(root?.totalBytes, root?.availableBytes);
  return {
    uptimeMs: count(health.uptimeMs),
    load: (health.loadMilli[0] ?? 0) / 1000,
    ...{ memoryTotal, memoryAvailable, diskTotal, diskAvailable },
    processes: health.processesTotal,
    outOfMemoryKills: count(health.oomKills),
    agentRestarts: health.agentRestarts,
    sessions: health.sessions,
  };
}

function amounts(total = 0n, available = 0n): readonly [number, number] {
  if (available <= total) return [count(total), count(available)];
  throw impossible("no more available than there is", `${available} of ${total}`);
}

function count(value: bigint): number {
  if (value <= Number.MAX_SAFE_INTEGER) return Number(value);
  throw impossible(`at most ${Number.MAX_SAFE_INTEGER}`, `${value}`);
}

function impossible(expected: string, found: string): KelpieError {
  return new KelpieError("malformed", "The guest tells numbers of itself that cannot be", {
    expected,
    found,
  });
}
