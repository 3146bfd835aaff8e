// Whether a kernel and its modules have the drivers that a VM's devices need.

import { requiredModules } from "../kernel/wanted-modules.ts";
import type { KernelOptions } from "../kernel/build/kernel-config.ts";
import type { Finding } from "./finding.ts";

/** The option that makes a driver part of the kernel. */
const options: Readonly<Record<string, string>> = {
  virtio_pci: "VIRTIO_PCI",
  virtio_mmio: "VIRTIO_MMIO",
  virtio_blk: "VIRTIO_BLK",
  virtio_console: "VIRTIO_CONSOLE",
  vmw_vsock_virtio_transport: "VIRTIO_VSOCKETS",
  ext4: "EXT4_FS",
};

/**
 * Text that a driver's code holds, built in or not: the name under which it registers itself with the kernel, or how its
 * messages begin. None of them stands in a kernel that has the driver as a module.
 */
const marks: Readonly<Record<string, string>> = {
  virtio_pci: "virtio-pci\0",
  virtio_mmio: "virtio-mmio\0",
  virtio_blk: "virtio_blk\0",
  virtio_console: "virtio_console\0",
  vmw_vsock_virtio_transport: "vmw_vsock_virtio_transport\0",
  ext4: "EXT4-fs (%s)",
};

/** A kernel without its wrapping. */
export interface CheckedKernel {
  readonly bytes: Uint8Array;
  /** What it was configured with, where it carries that inside. */
  readonly config: KernelOptions | undefined;
}

/** @param modules names of those that the initrd loads during the boot. */
export function checkDrivers(kernel: CheckedKernel, modules: ReadonlySet<string>): readonly Finding[] {
  return requiredModules.map((alternatives) => {
    const found = alternatives.flatMap((name) => {
      if (modules.has(name)) return [`${name} in the initrd`];
      if (kernel.config === undefined) return isBuiltIn(kernel.bytes, name) ? [`${name} in the kernel`] : [];
      const option = options[name] ?? "";
      return kernel.config.get(option) === "y" ? [`${name} in the kernel, by CONFIG_${option}`] : [];
    });
    return {
      what: `a driver: ${alternatives.join(" or ")}`,
      isMet: found.length > 0,
      found: found.join(", ") || "neither in the kernel nor in the initrd",
    };
  });
}

/** Whether a driver's own text is in the kernel. */
export function isBuiltIn(kernel: Uint8Array, name: string): boolean {
  const mark = marks[name];
  if (mark === undefined) return false;
  return Buffer.from(kernel.buffer, kernel.byteOffset, kernel.length).includes(mark, 0, "latin1");
}
