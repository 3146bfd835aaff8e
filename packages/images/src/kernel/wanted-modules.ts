// Which drivers a VM of Kelpie wants, and when they are loaded.

import type { ModuleCondition } from "./guest-kernel.ts";

/** A driver that a VM may need. */
export interface WantedModule {
  readonly name: string;
  readonly when: ModuleCondition;
}

/**
 * In the order of loading: buses, then the root's disk and file system, then the agent's ports, then the rest. The numbers are
 * device ids (Virtual I/O Device specification, section 5, "Device Types").
 */
export const wantedModules: readonly WantedModule[] = [
  { name: "virtio_pci", when: "always" },
  { name: "virtio_mmio", when: "always" },
  { name: "ext4", when: "always" },
  { name: "virtio_blk", when: "virtio:0002" },
  { name: "virtio_console", when: "virtio:0003" },
  { name: "virtio_rng", when: "virtio:0004" },
  { name: "virtio_net", when: "virtio:0001" },
  { name: "virtio_balloon", when: "virtio:0005" },
  { name: "9pnet_virtio", when: "virtio:0009" },
  { name: "9p", when: "virtio:0009" },
  { name: "vmw_vsock_virtio_transport", when: "virtio:0013" },
  { name: "virtiofs", when: "virtio:001a" },
  // A program in the VM may mount it; nothing of the boot does, and loading it takes as long as all of virtio.
  { name: "overlay", when: "later" },
];

/** Of each row at least one must be there, or no VM of ours runs on the kernel. */
export const requiredModules: readonly (readonly string[])[] = [
  ["virtio_pci", "virtio_mmio"],
  ["virtio_blk"],
  ["ext4"],
  ["virtio_console", "vmw_vsock_virtio_transport"],
];
