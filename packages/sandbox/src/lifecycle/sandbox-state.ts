// What a sandbox that lives on is doing now, from its record, its keeper's files, its processes and its monitor.

import { isSameProcessAlive, type Platform } from "@kelpie/platform";
import { keptDiagnosis, keptStop } from "../vmm/keeper/kept-files.ts";
import { attachMachine } from "../vmm/backends.ts";
import type { VmmName } from "../vmm/capabilities.ts";
import { describeStop, type StopReason } from "../vmm/vm-state.ts";
import type { SandboxRecord } from "./sandbox-record.ts";

/**
 * `creating` → `running` ⇄ `paused` → `stopped` in order, or `failed`: the start or the guest did. `lost`: whoever was to
 * say so is gone too (a host that was switched off, a keeper that was killed).
 */
export type SandboxState =
  | { readonly kind: "creating" | "running" }
  | { readonly kind: "paused" | "stopped" | "failed" | "lost"; readonly reason: string };

/** Whether it holds a machine, or may come to. */
export function isLive({ kind }: SandboxState): boolean {
  return kind === "creating" || kind === "running" || kind === "paused";
}

type Parts = Pick<Platform, "clock" | "files" | "host" | "network" | "processes" | "random">;

/** The state of the sandbox of `directory` on the boot `hostBoot` of this host. */
export async function sandboxState(
  platform: Parts,
  directory: string,
  record: SandboxRecord,
  hostBoot: string,
): Promise<SandboxState> {
  const { files } = platform;
  if (record.hostBoot !== hostBoot) return { kind: "lost", reason: "the host was started again" };
  const { phase } = record;
  if (phase.kind === "creating") {
    return (await isSameProcessAlive(platform, record.creator))
      ? { kind: "creating" }
      : { kind: "failed", reason: "its creator was killed before it was ready" };
  }
  const stopped = await keptStop(files, directory);
  if (stopped !== undefined) return await endState(files, directory, stopped);
  if (!(await isSameProcessAlive(platform, phase.keeper))) {
    // It may have ended, and said so, since we looked.
    const late = await keptStop(files, directory);
    return late === undefined
      ? { kind: "lost", reason: "its keeper was killed" }
      : await endState(files, directory, late);
  }
  return await processorState(platform, record.vmm, directory);
}

async function endState(
  files: Platform["files"],
  directory: string,
  stopped: StopReason,
): Promise<SandboxState> {
  const reason = describeStop(stopped);
  switch (stopped.kind) {
    case "guest-shutdown":
    case "host-request":
    case "expired":
    case "idle":
      return { kind: "stopped", reason };
    case "guest-reset": {
      // A guest that panics resets itself: only the console tells the one from the other.
      const { console } = await keptDiagnosis(files, directory);
      return console.text().includes("Kernel panic - not syncing")
        ? { kind: "failed", reason: describeStop({ kind: "guest-panicked" }) }
        : { kind: "stopped", reason };
    }
    case "guest-panicked":
    case "abandoned":
    case "monitor-lost":
    case "process-exited":
      return { kind: "failed", reason };
    case "keeper-lost":
      return { kind: "lost", reason };
    default:
      return stopped satisfies never;
  }
}

async function processorState(platform: Parts, vmm: VmmName, directory: string): Promise<SandboxState> {
  try {
    await using machine = await attachMachine(platform, vmm, directory);
    const status = await machine.status();
    switch (status.kind) {
      case "running":
        return { kind: "running" };
      case "paused":
        return { kind: "paused", reason: "by request" };
      case "stuck":
        return { kind: "paused", reason: status.state };
      default:
        return status satisfies never;
    }
  } catch {
    // Its monitor is busy with somebody else, or just ends: the keeper lives, and that is what is known.
    return { kind: "running" };
  }
}
