// What is told of a kernel image, by its form.

import type { Architecture } from "@kelpie/platform";
import type { CompressionFormat } from "../compression/format.ts";

/** A compressed part of an image. */
export interface KernelPayload {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly compression: CompressionFormat;
}

/** x86's boot protocol (Documentation/arch/x86/boot.rst). */
export interface BzImage {
  readonly kind: "bzimage";
  readonly architecture: "amd64";
  /** As 0x020f for 2.15. */
  readonly protocol: number;
  /** The text that `file` shows: release, builder, build number and time. */
  readonly version: string | undefined;
  readonly preferredAddress: bigint;
  readonly initSizeBytes: number;
  readonly isRelocatable: boolean;
  /** The compressed ELF vmlinux. */
  readonly payload: KernelPayload;
}

/** The uncompressed Image of arm64 (Documentation/arch/arm64/booting.rst). */
export interface Arm64Image {
  readonly kind: "arm64-image";
  readonly architecture: "arm64";
  readonly textOffset: bigint;
  /** In memory, BSS included: the file may be shorter. 0 before Linux 3.17. */
  readonly imageSizeBytes: bigint;
  readonly pageSizeBytes: 4096 | 16384 | 65536 | undefined;
  /** Also a PE executable, so that UEFI can start it. */
  readonly hasEfiStub: boolean;
}

/** An ELF vmlinux. */
export interface ElfKernel {
  readonly kind: "elf";
  readonly architecture: Architecture;
  readonly entry: bigint;
  /** The 32-bit entry of the Xen PVH note, which QEMU and Firecracker start directly. */
  readonly pvhEntry: number | undefined;
}

/** A PE executable for UEFI with a compressed Image inside (drivers/firmware/efi/libstub/zboot-header.S). */
export interface ZbootImage {
  readonly kind: "zboot";
  readonly architecture: Architecture;
  readonly payload: KernelPayload;
}

/** An image that is compressed as a whole. */
export interface CompressedKernel {
  readonly kind: "compressed";
  readonly compression: Exclude<CompressionFormat, "none">;
}

export type KernelImage = BzImage | Arm64Image | ElfKernel | ZbootImage | CompressedKernel;
