// What is asked of Firecracker's API for a machine, as data. The order is that in which it must be asked.

import type { VmSpec } from "../vmm.ts";
import { kernelCommandLine } from "../kernel-command-line.ts";
import type { ApiCall } from "./api-client.ts";

/**
 * Names of files in the run directory, which is Firecracker's working directory. A saved machine names its disk and its
 * socket, so relative names give each that is restored from it its own.
 */
export const firecrackerFiles = { api: "api", vsock: "vsock", disk: "root.ext4" } as const;

/** Any, but for those with a meaning (vsock(7)); it is the guest's alone, as every machine has a socket of its own. */
const guestCid = 3;

/** What makes a machine and starts it, of a kernel that Firecracker can enter. */
export function bootCalls(spec: VmSpec, kernel: string): ApiCall[] {
  const { image, memoryMiB, cpus } = spec;
  const { disk, vsock } = firecrackerFiles;
  return [
    put("/machine-config", { vcpu_count: cpus, mem_size_mib: memoryMiB, smt: false }),
    put("/boot-source", {
      kernel_image_path: kernel,
      boot_args: commandLine(spec).join(" "),
      ...(image.withoutInitrd === true ? {} : { initrd_path: image.initrd }),
    }),
    put("/drives/root", {
      drive_id: "root",
      path_on_host: disk,
      // The command line names the root as the contract says; here it would be named once more.
      is_root_device: false,
      is_read_only: false,
      // The disk goes with its machine, so a flush of the guest's need not wait for the host's.
      cache_type: "Unsafe",
    }),
    put("/vsock", { guest_cid: guestCid, uds_path: vsock }),
    put("/entropy", {}),
    put("/actions", { action_type: "InstanceStart" }),
  ];
}

/** What restores a machine, and lets it go on. */
export function restoreCall(state: string, memory: string): ApiCall {
  return put("/snapshot/load", {
    snapshot_path: state,
    mem_backend: { backend_type: "File", backend_path: memory },
    resume_vm: true,
  });
}

/** What saves a machine that stands still: first its processors stop. */
export function saveCalls(state: string, memory: string): ApiCall[] {
  return [
    stateCall("Paused"),
    put("/snapshot/create", { snapshot_type: "Full", snapshot_path: state, mem_file_path: memory }),
  ];
}

/** What stops the processors, or lets them go on. */
export function stateCall(state: "Paused" | "Resumed"): ApiCall {
  return { method: "PATCH", path: "/vm", body: { state } };
}

/** What tells of the machine. */
export const describeCall: ApiCall = { method: "GET", path: "/" };

function put(path: string, body: Readonly<Record<string, unknown>>): ApiCall {
  return { method: "PUT", path, body };
}

/** Its serial port is an 8250 on both architectures, and on amd64 it has no PCI and ends by its keyboard controller. */
function commandLine({ image, hostname, agentPorts }: VmSpec): string[] {
  const { architecture, withoutInitrd = false } = image;
  const isAmd64 = architecture === "amd64";
  const words = kernelCommandLine({
    ...{ architecture, hostname, agentPorts, withoutInitrd },
    accelerator: "kvm",
    endsByReset: isAmd64,
  });
  return [
    ...words.map((word) => (word.startsWith("console=") ? "console=ttyS0" : word)),
    ...(isAmd64 ? ["pci=off"] : []),
  ];
}
