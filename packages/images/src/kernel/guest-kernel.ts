// A kernel as the image carries it: one bootable file and the modules that the initrd loads.

import type { ByteSource } from "@kelpie/formats";
import type { Architecture } from "@kelpie/platform";

/** When a module is loaded (docs/boot-contract.md): always, or where a virtio device with this id is present. */
export type ModuleCondition = "always" | `virtio:${string}`;

/** A module that the initrd carries. */
export interface GuestModule {
  /** The kernel's name for it: "virtio_blk". */
  readonly name: string;
  /** In the tree: "lib/modules/<release>/kernel/…/virtio_blk.ko", whatever it was compressed by. */
  readonly path: string;
  readonly content: ByteSource;
}

/** One line of `/etc/kelpie/modules`. */
export interface ModuleLine {
  readonly when: ModuleCondition;
  readonly module: GuestModule;
}

/** What {@link readGuestKernel} finds in a distribution's kernel package. */
export interface GuestKernel {
  readonly architecture: Architecture;
  /** As `uname -r` says it: "6.1.0-56-cloud-amd64". */
  readonly release: string;
  /** What QEMU boots: an x86 bzImage, or a raw arm64 Image whatever it was wrapped in. */
  readonly image: ByteSource;
  readonly format: "bzImage" | "Image";
  /** In the order of loading: every dependency above what needs it. */
  readonly modules: readonly ModuleLine[];
  /** Names of wanted modules that are part of the kernel image. */
  readonly builtIn: readonly string[];
}
