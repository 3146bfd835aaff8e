// What a virtual machine monitor can and cannot do, as data, and the refusal of what it cannot.

import { type Architecture, KelpieError } from "@kelpie/platform";
import type { PluggableDevice } from "./pluggable.ts";
import type { VmSpec } from "./vmm.ts";

/** The monitors that there are. */
export type VmmName = "qemu";
export const vmmNames: readonly VmmName[] = ["qemu"];

/** `auto` is QEMU, and another only where QEMU is not installed (docs/backends.md). */
export type VmmChoice = VmmName | "auto";

/** How bytes get between host and agent (docs/boot-contract.md, "Agent ports"). */
export type AgentCarrier = "virtio-serial" | "vsock";

/** A kind of device that a running machine may be given. */
export type DeviceKind = PluggableDevice["kind"];

/** See the head of this file. */
export interface VmmCapabilities {
  /** Of guests, on this host. */
  readonly architectures: readonly Architecture[];
  /** The ways to the agent, the one that it takes by itself first. */
  readonly carriers: readonly AgentCarrier[];
  /** Whether a processor can be stopped and go on. */
  readonly pauses: boolean;
  /** Whether a machine can be saved, and others started from what was saved. */
  readonly restores: boolean;
  /** Whether a machine can outlive the process that started it. */
  readonly keeps: boolean;
  /** What can be plugged into a running machine; `virtiofs` is one with a daemon of ours behind it. */
  readonly plugs: readonly DeviceKind[];
  /** Whether it offers directories by virtio-fs itself, from the machine's start: {@link VmSpec.sharedDirectories}. */
  readonly sharesDirectories: boolean;
}

/** What a machine needs of its monitor beyond what every monitor does. */
export type VmDemands = Pick<
  VmSpec,
  "carrier" | "keep" | "ninepDirectories" | "sharedDirectories" | "sharedMemory" | "origin"
> & {
  readonly architecture?: Architecture;
  /** What will be plugged into it. */
  readonly plugs?: readonly DeviceKind[];
};

/** Refuses what a monitor cannot: `unsupported`, which names the monitor, what it can, and the way out. */
export function requireCapabilities(
  { name, capabilities }: { readonly name: VmmName; readonly capabilities: VmmCapabilities },
  demands: VmDemands,
): void {
  const missing = firstMissing(capabilities, demands);
  if (missing === undefined) return;
  const { what, found, help = "QEMU can do it: --vmm qemu" } = missing;
  throw new KelpieError("unsupported", `The monitor ${name} cannot ${what}`, {
    ...(found === undefined ? {} : { found }),
    help,
  });
}

interface Missing {
  readonly what: string;
  /** What it can instead. */
  readonly found?: string;
  readonly help?: string;
}

function firstMissing(capabilities: VmmCapabilities, demands: VmDemands): Missing | undefined {
  const { architectures, carriers, restores, keeps, plugs, sharesDirectories } = capabilities;
  const { architecture, carrier, keep, origin, ninepDirectories = [], sharedDirectories = [] } = demands;
  if (architecture !== undefined && !architectures.includes(architecture)) {
    return { what: `run a guest for ${architecture} on this machine`, found: listed(architectures) };
  }
  if (carrier !== undefined && !carriers.includes(carrier)) {
    return { what: `reach the agent by ${carrier}`, found: listed(carriers) };
  }
  if (keep !== undefined && !keeps) {
    return { what: "leave a sandbox running when its creator ends" };
  }
  if (origin !== undefined && origin.kind !== "boot" && !restores) {
    return { what: "save and restore machines", help: "Boot it: --cold" };
  }
  if (sharedDirectories.length > 0 && !sharesDirectories) {
    return { what: "share a directory from the machine's start" };
  }
  const wanted: readonly DeviceKind[] = [
    ...(demands.plugs ?? []),
    ...(ninepDirectories.length > 0 ? (["9p"] as const) : []),
    ...(demands.sharedMemory === true ? (["virtiofs"] as const) : []),
  ];
  const refused = wanted.find((kind) => !plugs.includes(kind));
  return refused === undefined ? undefined : { what: deviceWork[refused], found: listed(plugs) };
}

const deviceWork: Readonly<Record<DeviceKind, string>> = {
  disk: "give a running machine a disk",
  virtiofs: "share a directory by a virtio-fs daemon",
  "9p": "share a directory by 9p",
  network: "give a running machine a network card",
};

function listed(words: readonly string[]): string {
  return words.length === 0 ? "none of the kind" : words.join(", ");
}
