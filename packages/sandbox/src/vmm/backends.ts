// The monitors that there are, each loaded when it is first asked for, and the choice among them.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { AttachParts, Backend, BackendFinding, OpenBackendOptions } from "./backend.ts";
import { type VmmChoice, type VmmName, vmmNames } from "./capabilities.ts";
import type { AttachedMachine, Vmm } from "./vmm.ts";

export type { BackendFinding } from "./backend.ts";

const backends: Readonly<Record<VmmName, () => Promise<Backend>>> = {
  qemu: async () => (await import("./qemu/backend.ts")).qemuBackend,
  libkrun: async () => (await import("./libkrun/backend.ts")).libkrunBackend,
  firecracker: async () => (await import("./firecracker/backend.ts")).firecrackerBackend,
};

/** See {@link openVmm}. */
export interface OpenVmmOptions extends OpenBackendOptions {
  /** What KELPIE_VMM says, or else `auto`, when absent. */
  readonly vmm?: VmmChoice;
}

/**
 * The monitor that was asked for, or the one to use by itself.
 *
 * @throws KelpieError `missing-tool`, `unsupported`, `usage` for a KELPIE_VMM that names none
 */
export async function openVmm(platform: Platform, options: OpenVmmOptions): Promise<Vmm> {
  const choice = options.vmm ?? parseVmmChoice(platform.host.environment["KELPIE_VMM"] ?? "auto");
  if (choice !== "auto") return await (await backends[choice]()).open(platform, options);
  try {
    return await (await backends.qemu()).open(platform, options);
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "missing-tool") throw error;
    const other = await firstUsable(platform, options);
    if (other === undefined) throw error;
    const vmm = await (await backends[other]()).open(platform, options);
    return withNotice(vmm, `QEMU is not installed: ${other} runs the guest, and can do less`);
  }
}

/** `auto` or a monitor's name. @throws KelpieError `usage` */
export function parseVmmChoice(text: string): VmmChoice {
  const known: readonly VmmChoice[] = ["auto", ...vmmNames];
  const found = known.find((name) => name === text);
  if (found !== undefined) return found;
  throw new KelpieError("usage", "There is no such virtual machine monitor", {
    expected: known.join(", "),
    found: JSON.stringify(text.slice(0, 40)),
  });
}

/** A machine under a keeper, of whichever monitor. `guest-lost` where it runs no more. */
export async function attachMachine(
  platform: AttachParts,
  vmm: VmmName,
  directory: string,
): Promise<AttachedMachine> {
  return await (await backends[vmm]()).attach(platform, directory);
}

/** What of each monitor is here, for guests of an architecture. */
export async function examineBackends(
  platform: Platform,
  options: OpenBackendOptions,
): Promise<readonly { readonly name: VmmName; readonly finding: BackendFinding }[]> {
  return await Promise.all(
    vmmNames.map(async (name) => ({
      name,
      finding: await (await backends[name]()).examine(platform, options),
    })),
  );
}

async function firstUsable(platform: Platform, options: OpenBackendOptions): Promise<VmmName | undefined> {
  const all = await examineBackends(platform, options);
  return all.find(({ finding }) => finding.kind === "usable")?.name;
}

/** `vmm` with something to tell before what it tells itself. */
function withNotice(vmm: Vmm, notice: string): Vmm {
  const { name, capabilities, description, stateKey } = vmm;
  return {
    ...{ name, capabilities, description },
    notice: vmm.notice === undefined ? notice : `${notice}. ${vmm.notice}`,
    start: (spec, signal, onLaunched) => vmm.start(spec, signal, onLaunched),
    ...(stateKey === undefined ? {} : { stateKey: (spec) => stateKey.call(vmm, spec) }),
  };
}
