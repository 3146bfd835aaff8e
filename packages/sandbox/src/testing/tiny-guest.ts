// Guests of a few hundred bytes, for tests of the monitor without Linux: the arm64 program of the accelerator probe,
// which writes "kelpie" to the console and powers off, and variations of it.

import { join } from "node:path";
import { type Platform, realPlatform } from "@kelpie/platform";
import { probeProgram } from "../vmm/probe/probe-programs.ts";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage, Vmm } from "../vmm/vmm.ts";

/** What the guest does at its end, or instead of everything. */
export type TinyGuestEnd = "powers off" | "resets" | "hangs" | "floods";

const psciSystemOff = 0x84000008;
const psciSystemReset = 0x84000009;
const branchToItself = 0x14000000;
/** Where the header's branch leads. */
const entry = 0x228;
/** `x` to the serial port of QEMU's `virt` machine, again and again. */
const flood = [0xd2a12001, 0x52800f00, 0x39000020, 0x17ffffff];

function program(end: TinyGuestEnd): Uint8Array {
  const bytes = Uint8Array.from(probeProgram("arm64"));
  const view = new DataView(bytes.buffer);
  if (end === "hangs") view.setUint32(0, branchToItself, true);
  if (end === "floods") flood.forEach((word, index) => view.setUint32(entry + 4 * index, word, true));
  if (end !== "resets") return bytes;
  for (let at = 0; at < bytes.length; at += 4) {
    if (view.getUint32(at, true) === psciSystemOff) view.setUint32(at, psciSystemReset, true);
  }
  return bytes;
}

/** Writes a bootable image into `directory`. */
export async function writeTinyImage(directory: string, end: TinyGuestEnd): Promise<BootImage> {
  const image = {
    architecture: "arm64" as const,
    rootfs: join(directory, "rootfs.ext4"),
    kernel: join(directory, "vmlinuz"),
    initrd: join(directory, "initrd"),
  };
  for (const [path, bytes] of [
    [image.rootfs, new Uint8Array(1 << 20)],
    [image.kernel, program(end)],
    [image.initrd, new Uint8Array(512)],
  ] as const) {
    await using file = await realPlatform.files.open(path, "create");
    await file.write(bytes, 0);
  }
  return image;
}

/** An emulating QEMU for these guests. */
export function openTinyQemu(home: string, platform: Platform = realPlatform): Promise<Vmm> {
  const signal = new AbortController().signal;
  return openQemu(platform, { architecture: "arm64", home, accelerator: "tcg", signal });
}

/** Why a test that needs these guests is skipped, if it is. */
export async function skipWithoutTinyQemu(): Promise<string | false> {
  const isHere = (await realPlatform.processes.find("qemu-system-aarch64")) !== undefined;
  return isHere ? false : "qemu-system-aarch64 is not installed (Debian: qemu-system-arm)";
}
