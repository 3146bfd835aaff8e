// A guest of some bytes for amd64 that needs nothing of a processor but to run, for monitors that enter a kernel directly: it
// writes to the serial port what it was given, and then resets the machine or goes on writing.

import { amd64Kernel } from "../vmm/probe/probe-programs.ts";

// Documentation/arch/x86/boot.rst: rsi points to the boot parameters.
const telling = [
  "66baf803", // mov dx, 0x3f8
  "8b9e28020000", // mov ebx, [rsi + 0x228]: the command line
  "8a03 84c0 7406 ee 48ffc3 ebf4", // as long as the byte at rbx is not zero: out dx, it; inc rbx
  "b00a ee", // a newline
  "8b9e18020000 8b8e1c020000", // mov ebx, [rsi + 0x218]; mov ecx, [rsi + 0x21c]: the initrd and its size
  "8a03 ee 48ffc3 ffc9 75f6", // out dx, the byte at rbx; inc rbx; dec ecx; again until it is zero
  "b00a ee",
];

const ends = {
  resets: [
    "b0fe e664", // out 0x64, 0xfe: the keyboard controller resets the machine
    "f4 ebfd", // hlt, for ever
  ],
  ticks: [
    "66baf803 b02e ee", // mov dx, 0x3f8; out dx, '.'
    "0f31 89c7", // rdtsc; mov edi, eax
    "0f31 29f8 3d00000002 72f5", // rdtsc; sub eax, edi; again until 2^25 clocks are over
    "ebe8", // again, for ever
  ],
};

/** An ELF kernel, entered in 64-bit mode, that writes the command line and the initrd, a line each, and what it does then. */
export function tinyKernel(end: "resets" | "ticks" = "resets"): Buffer {
  const program = Buffer.from([...telling, ...ends[end]].join("").replaceAll(" ", ""), "hex");
  return amd64Kernel(program);
}
