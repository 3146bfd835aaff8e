// What a sandbox is given of the world outside: a directory, a network.

import { join } from "node:path";
import { type Platform, readTextIfPresent, tryParseJson, writeFileAtomic } from "@kelpie/platform";
import type { AgentClient } from "../agent/agent-client.ts";
import type { DeviceKind, VmmCapabilities } from "../vmm/capabilities.ts";
import type { VirtualMachine, VmSpec } from "../vmm/vmm.ts";

/** Slots that every machine has, so that one template fits whatever is attached to its clones. They cost no time at boot. */
const usualPlugSlots = 4;

/** What attachments need of a machine from its start on. */
export type MachineNeeds = Pick<VmSpec, "sharedMemory" | "ninepDirectories" | "sharedDirectories"> & {
  /** What {@link Attachment.attach} plugs in. */
  readonly plugs?: readonly DeviceKind[];
};

/** The running sandbox that something is attached to. */
export interface AttachTarget extends FinishTarget {
  /** Of the machine's monitor. */
  readonly capabilities: VmmCapabilities;
}

/** The running sandbox that something was attached to, maybe by another process. */
export interface FinishTarget {
  readonly machine: VirtualMachine;
  readonly agent: AgentClient;
  /** The sandbox's own directory, mode 0700. */
  readonly runDirectory: string;
  /** Whether the sandbox outlives this process: what serves it must too, and `finish` may be called by another. */
  readonly livesOn: boolean;
  readonly signal: AbortSignal;
}

/** Something to attach. Disposing it ends what it has on the host. */
export interface Attachment extends AsyncDisposable {
  /** Of a machine of a monitor that can so much: what it cannot is refused by who starts it. */
  needs(capabilities: VmmCapabilities): MachineNeeds;
  /** One line for a person: what it is, by which way, and why by that. */
  readonly description: string;
  /** Plugs it in and has the guest use it: called once the guest answers, and is unique, before any workload. */
  attach(target: AttachTarget): Promise<void>;
  /**
   * Brings home what the guest has done with it, while the guest still answers; nothing of the workload runs any more.
   * Returns lines for the person: what could not be brought home as it was meant.
   */
  finish(target: FinishTarget): Promise<readonly string[]>;
}

/** What a machine needs for all of them. */
export function needsOf(
  attachments: readonly Attachment[],
  capabilities: VmmCapabilities,
): MachineNeeds & { readonly plugs: readonly DeviceKind[]; readonly plugSlots: number } {
  const needs = attachments.map((attachment) => attachment.needs(capabilities));
  const plugs = needs.flatMap((need) => need.plugs ?? []);
  const ninepDirectories = needs.flatMap((need) => need.ninepDirectories ?? []);
  const sharedDirectories = needs.flatMap((need) => need.sharedDirectories ?? []);
  return {
    plugs,
    plugSlots: Math.max(usualPlugSlots, plugs.length),
    ...(needs.some(({ sharedMemory }) => sharedMemory === true) ? { sharedMemory: true } : {}),
    ...(ninepDirectories.length === 0 ? {} : { ninepDirectories }),
    ...(sharedDirectories.length === 0 ? {} : { sharedDirectories }),
  };
}

const descriptionsFile = "attachments.json";
const descriptionsLimitBytes = 1 << 20;

/** Writes down what a sandbox that lives on has, for whoever inspects it. */
export async function writeDescriptions(
  platform: Pick<Platform, "files" | "host" | "random">,
  directory: string,
  attachments: readonly Attachment[],
): Promise<void> {
  const lines = attachments.map(({ description }) => description);
  await writeFileAtomic(platform, join(directory, descriptionsFile), `${JSON.stringify(lines)}\n`, 0o600);
}

/** What a sandbox that lives on has: a line for each attachment. */
export async function readDescriptions(
  { files }: Pick<Platform, "files">,
  directory: string,
): Promise<readonly string[]> {
  const text = await readTextIfPresent(files, join(directory, descriptionsFile), descriptionsLimitBytes);
  const lines: unknown = text === undefined ? [] : tryParseJson(text);
  return Array.isArray(lines) ? lines.filter((line) => typeof line === "string") : [];
}
