// Sandboxes for people and for programs.

import type { SandboxEntry, SandboxState } from "@kelpie/sandbox";
import type { SandboxJson } from "../json/sandbox.ts";
import { formatTable } from "./table.ts";

/** The list as a table; ages are counted from `nowMs`. */
export function sandboxTable(entries: readonly SandboxEntry[], nowMs: number): string {
  const rows = entries.map(({ id, record, state }) => [
    id,
    record?.name ?? "",
    stateWords(state),
    record?.image.version ?? "",
    record?.image.architecture ?? "",
    record === undefined ? "" : `${record.memoryMiB} MiB`,
    record === undefined ? "" : formatDuration(nowMs - record.createdMs),
  ]);
  return formatTable(["ID", "NAME", "STATE", "IMAGE", "ARCH", "MEMORY", "AGE"], rows);
}

/** A sandbox under `--json`: its record in the open, and when it ends where that is known. */
export function sandboxJson({ id, directory, record, state }: SandboxEntry): SandboxJson {
  if (record === undefined) return { id, directory, state };
  const { name, image, memoryMiB, cpus, diskBytes, pidsLimit, createdMs, ttlMs, idleTimeoutMs } = record;
  const { removeAtEnd, env, phase, vmm, monitorDescription: monitor } = record;
  const iso = (ms: number): string => new Date(ms).toISOString();
  return {
    ...{ id, name, state, image, memoryMiB, cpus, diskBytes, pidsLimit, env },
    created: iso(createdMs),
    ...(ttlMs === undefined ? {} : { ends: iso(createdMs + ttlMs) }),
    ...{ idleTimeoutMs, removeAtEnd, vmm, monitor, directory },
    ...(phase.kind === "ready" ? { keeperPid: phase.keeper.pid, monitorPid: phase.monitor.pid } : {}),
  };
}

/** "stopped (the guest powered off)". */
function stateWords(state: SandboxState): string {
  return "reason" in state ? `${state.kind} (${state.reason})` : state.kind;
}

/** The two largest units: "5 s", "3 min 20 s", "2 h 5 min", "4 d 1 h". */
export function formatDuration(durationMs: number): string {
  const seconds = Math.max(0, Math.floor(durationMs / 1000));
  const units = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ] as const;
  const first = units.findIndex(([count]) => count > 0);
  const shown = first === -1 ? units.slice(3) : units.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(" ");
}
