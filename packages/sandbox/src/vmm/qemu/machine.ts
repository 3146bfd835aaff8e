// Which machine QEMU pretends to be.

import type { Architecture } from "@kelpie/platform";
import type { Accelerator } from "./accelerator.ts";

/** The program that emulates an architecture, and the Debian package that has it. */
export const qemuProgram: Readonly<
  Record<Architecture, { readonly command: string; readonly debianPackage: string }>
> = {
  amd64: { command: "qemu-system-x86_64", debianPackage: "qemu-system-x86" },
  arm64: { command: "qemu-system-aarch64", debianPackage: "qemu-system-arm" },
};

/**
 * The machine for `-machine`. Both kinds have PCI, so that devices can be plugged in later, and have versioned types.
 * QEMU's `microvm` has neither, can hang under emulation, and boots no faster than q35 does with the qboot firmware
 * (medians of Debian's kernel, emulated, to its first process: 1.49 s and 1.50 s; q35 with its own firmware 2.0 s).
 */
export const machineType: Readonly<Record<Architecture, string>> = {
  amd64: "q35,vmport=off,i8042=off,sata=off,smbus=off,hpet=off,usb=off",
  arm64: "virt,gic-version=3,usb=off",
};

/**
 * The processor for `-cpu`. Under emulation a named model: what the guest sees is then the same on every host, and
 * `max` on arm64 would emulate pointer authentication, which makes a boot four times slower. With hardware
 * virtualisation the host's own, which is all that KVM and HVF offer on arm64.
 */
export function cpuModel(architecture: Architecture, accelerator: Accelerator): string {
  if (accelerator !== "tcg") return "host";
  return architecture === "amd64" ? "Nehalem" : "cortex-a72";
}
