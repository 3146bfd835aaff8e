// The refusal of what a virtual machine monitor cannot do.

import { type Architecture, KelpieError } from "@kelpie/platform";
import type { DeviceKind, VmmCapabilities, VmmName } from "./capabilities.ts";
import type { VmSpec } from "./vmm.ts";

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
