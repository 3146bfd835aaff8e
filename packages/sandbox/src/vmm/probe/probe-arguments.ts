// QEMU's command line for the accelerator probe: the smallest machine that starts the program.

import type { Architecture } from "@kelpie/platform";
import type { Accelerator } from "../qemu/accelerator.ts";
import type { QemuOption } from "../qemu/option.ts";
import { cpuModel } from "../qemu/machine.ts";
import { probeProgram } from "./probe-programs.ts";

const firmwareBytes = 64 << 10;

/** The content of the file that the machine starts from. */
export function probeImage(architecture: Architecture): Uint8Array {
  const program = probeProgram(architecture);
  if (architecture === "arm64") return program;
  // Firmware ends at 4 GiB, and a processor starts 16 bytes below.
  const firmware = new Uint8Array(firmwareBytes);
  firmware.set(program, firmwareBytes - program.length);
  return firmware;
}

/** The options that run `image` and pass on what it writes to its serial port. */
export function probeOptions(
  architecture: Architecture,
  accelerator: Accelerator,
  image: string,
): QemuOption[] {
  return [
    ["-nodefaults"],
    ["-no-user-config"],
    ["-no-reboot"],
    ["-display", "none"],
    ["-accel", accelerator],
    ["-cpu", cpuModel(architecture, accelerator)],
    ["-m", "16M"],
    ["-serial", "stdio"],
    ...start[architecture](image),
  ];
}

const start: Readonly<Record<Architecture, (image: string) => QemuOption[]>> = {
  amd64: (image) => [
    ["-machine", "q35"],
    ["-bios", image],
    ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"],
  ],
  arm64: (image) => [
    ["-machine", "virt"],
    ["-device", `loader,file=${image.replaceAll(",", ",,")},addr=0x40200000,cpu-num=0`],
  ],
};
