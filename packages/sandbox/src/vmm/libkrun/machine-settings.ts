// From the shape of a machine to what the process that becomes it is told.

import { agentVsockPort } from "../vsock/vsock-connect.ts";
import type { DirectKernel } from "../direct-kernel.ts";
import { kernelCommandLine } from "../kernel-command-line.ts";
import type { VmSpec } from "../vmm.ts";
import type { KrunSettings } from "./settings.ts";

/** What beside the shape decides the settings. */
export interface KrunSetting {
  readonly library: string;
  readonly kernel: DirectKernel;
  /** The private writable layer, a qcow2 file that names the image. */
  readonly layer: string;
}

/** Where the host reaches the agent: every connection to it is one to the agent's vsock port. */
export function agentSocket(runDirectory: string): string {
  return `${runDirectory}/agent`;
}

/** On amd64 the machine has no ACPI, and ends when its guest resets it; on arm64 it has PSCI. */
export function endsByReset({ image }: Pick<VmSpec, "image">): boolean {
  return image.architecture === "amd64";
}

export function machineSettings(spec: VmSpec, { library, kernel, layer }: KrunSetting): KrunSettings {
  const { image, cpus, memoryMiB, hostname, agentPorts, sharedDirectories = [], runDirectory } = spec;
  const { architecture, withoutInitrd = false } = image;
  const words = kernelCommandLine({
    ...{ architecture, hostname, agentPorts, withoutInitrd },
    accelerator: "kvm",
    endsByReset: endsByReset(spec),
  });
  return {
    ...{ library, cpus, memoryMiB },
    kernel: { path: kernel.path, format: kernel.format === "elf" ? "elf" : "raw" },
    initrd: withoutInitrd ? null : image.initrd,
    commandLine: words.join(" "),
    disks: [{ name: "root", path: layer, format: "qcow2", readOnly: false }],
    directories: sharedDirectories.map(({ name, path, readOnly }) => ({ tag: name, path, readOnly })),
    vsock: { port: agentVsockPort, socket: agentSocket(runDirectory) },
  };
}
