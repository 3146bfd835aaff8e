// Which virtual machine monitor boots which form of a kernel, by their own documentation.

import type { KernelImage } from "@kelpie/formats";

export const vmmNames = ["qemu", "firecracker", "cloud-hypervisor", "libkrun"] as const;
export type VmmName = (typeof vmmNames)[number];

/**
 * The monitors that take an image as it is. A bzImage needs a loader for x86's boot protocol, which QEMU brings; Firecracker and
 * libkrun enter an ELF kernel in 64-bit mode, QEMU and Cloud Hypervisor by its PVH note; on arm64 all of them take the Image.
 */
export function vmmsFor(image: KernelImage): readonly VmmName[] {
  switch (image.kind) {
    case "bzimage":
      return ["qemu"];
    case "elf":
      return image.pvhEntry === undefined ? ["firecracker", "libkrun"] : vmmNames;
    case "arm64-image":
      return vmmNames;
    case "zboot":
    case "compressed":
      return [];
    default:
      return image satisfies never;
  }
}
