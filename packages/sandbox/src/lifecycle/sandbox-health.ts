// How a guest is, as its agent says: small, and in numbers that a table can show.

import type { Sandbox } from "./sandbox.ts";

/** Sizes in bytes. A guest may say anything here. */
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

/** Asks the guest. `guest-lost`, `timeout`. */
export async function sandboxHealth({ agent }: Sandbox, signal: AbortSignal): Promise<SandboxHealth> {
  const health = await agent.agent.getHealth({}, { signal });
  const root = health.disks.find(({ mountPoint }) => mountPoint === "/");
  return {
    uptimeMs: Number(health.uptimeMs),
    load: (health.loadMilli[0] ?? 0) / 1000,
    memoryTotal: Number(health.memory?.totalBytes ?? 0),
    memoryAvailable: Number(health.memory?.availableBytes ?? 0),
    diskTotal: Number(root?.totalBytes ?? 0),
    diskAvailable: Number(root?.availableBytes ?? 0),
    processes: health.processesTotal,
    outOfMemoryKills: Number(health.oomKills),
    agentRestarts: health.agentRestarts,
    sessions: health.sessions,
  };
}
