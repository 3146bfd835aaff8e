// A kernel as the image carries it: one bootable file and the modules that the initrd loads.

import type { ByteSource } from "@kelpie/formats";
import type { Architecture } from "@kelpie/platform";

/** When a module is loaded (docs/boot-contract.md): in every boot, where a virtio device of this id is, or after the boot. */
export type ModuleCondition = "always" | "later" | `virtio:${string}`;

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

export type KernelFormat = "bzImage" | "Image" | "vmlinux";

/** A further form of an image's kernel, under the name of the file that it becomes. */
export interface KernelVariant {
  readonly file: "vmlinux";
  readonly image: ByteSource;
}

/** What {@link readGuestKernel} finds in a distribution's kernel package. */
export interface GuestKernel {
  readonly architecture: Architecture;
  /** As `uname -r` says it: "6.1.0-56-cloud-amd64". */
  readonly release: string;
  /** What a VMM boots: an x86 bzImage, a raw arm64 Image, or an ELF vmlinux, whatever it was wrapped in. */
  readonly image: ByteSource;
  readonly format: KernelFormat;
  /** The same kernel in other forms, which some VMMs need and others boot faster. */
  readonly variants: readonly KernelVariant[];
  /** Whether drivers of the disk and of its file system are built in, so that it finds its root without an initrd. */
  readonly mountsRoot: boolean;
  /** In the order of loading: every dependency above what needs it. */
  readonly modules: readonly ModuleLine[];
  /** Names of wanted modules that are part of the kernel image, in the order in which they are wanted. */
  readonly builtIn: readonly string[];
  /** Names of wanted modules that this kernel does not have; none without which a VM cannot run. */
  readonly absent: readonly string[];
}
