// The files that a virtual machine monitor is given to boot an image of the store.

import type { Architecture } from "@kelpie/platform";
import { imageFile, type StoredImage } from "./image-store.ts";

export interface BootFiles {
  readonly architecture: Architecture;
  /** The image's own host name. */
  readonly hostname: string;
  /** Paths. */
  readonly rootfs: string;
  readonly kernel: string;
  readonly initrd: string;
  /** Whether the kernel mounts the root file system by itself. */
  readonly withoutInitrd: boolean;
  /** SHA-256 of each, in hexadecimal. */
  readonly digests: { readonly rootfs: string; readonly kernel: string; readonly initrd: string };
}

/** For QEMU: of the kernel's forms the one that it boots fastest. */
export function bootFiles(image: StoredImage): BootFiles {
  const { architecture, hostname, files, qemuKernel } = image;
  return {
    architecture,
    hostname,
    rootfs: imageFile(image, "rootfs.ext4"),
    kernel: imageFile(image, qemuKernel),
    initrd: imageFile(image, "initrd"),
    withoutInitrd: image.mountsRoot,
    digests: {
      rootfs: files["rootfs.ext4"].sha256,
      kernel: (files[qemuKernel] ?? files.vmlinuz).sha256,
      initrd: files.initrd.sha256,
    },
  };
}
