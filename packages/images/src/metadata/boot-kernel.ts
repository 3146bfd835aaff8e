// Which form of an image's kernel a virtual machine monitor is given.

import type { VmmName } from "../kernel/vmms.ts";
import type { ImageMetadata, KernelFileName } from "./image-metadata.ts";

/** An ELF kernel needs no decompression; then what every image has. */
const preference: readonly KernelFileName[] = ["vmlinux", "vmlinuz"];

/** The forms of an image's kernel. An image that says nothing of them was made for QEMU. */
export function kernelImages({
  kernel,
}: Pick<ImageMetadata, "kernel">): NonNullable<ImageMetadata["kernel"]["images"]> {
  return kernel.images ?? [{ file: "vmlinuz", format: kernel.format, vmms: ["qemu"] }];
}

/** The best file for a monitor, or undefined where it boots none. */
export function bootKernel(
  metadata: Pick<ImageMetadata, "kernel">,
  vmm: VmmName,
): KernelFileName | undefined {
  const images = kernelImages(metadata);
  return preference.find((file) => images.some((image) => image.file === file && image.vmms.includes(vmm)));
}
