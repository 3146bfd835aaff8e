// Whether a kernel and its modules have the drivers that a VM's devices need.

import { requiredModules } from "../kernel/wanted-modules.ts";
import type { Finding } from "./finding.ts";

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

/** @param kernel the uncompressed kernel. @param modules names of those that the initrd loads during the boot. */
export function checkDrivers(kernel: Uint8Array, modules: ReadonlySet<string>): readonly Finding[] {
  return requiredModules.map((alternatives) => {
    const found = alternatives.flatMap((name) => {
      if (modules.has(name)) return [`${name} in the initrd`];
      return isBuiltIn(kernel, name) ? [`${name} in the kernel`] : [];
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
