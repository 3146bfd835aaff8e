// A guest of some bytes for amd64 that needs nothing of a processor but to run, for monitors that enter a kernel directly: it
// writes to the serial port what it was given, and then resets the machine or goes on writing.

const loadAddress = 0x100_0000;
const headerBytes = 64;
const programHeaderBytes = 56;

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
  const head = Buffer.alloc(headerBytes + programHeaderBytes);
  head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  head.writeUInt16LE(2, 16); // an executable
  head.writeUInt16LE(62, 18); // for x86-64
  head.writeUInt32LE(1, 20);
  head.writeBigUInt64LE(BigInt(loadAddress), 24); // the entry
  head.writeBigUInt64LE(BigInt(headerBytes), 32); // the program headers
  head.writeUInt16LE(headerBytes, 52);
  head.writeUInt16LE(programHeaderBytes, 54);
  head.writeUInt16LE(1, 56);
  head.writeUInt32LE(1, headerBytes); // to be loaded
  head.writeUInt32LE(5, headerBytes + 4); // read and executed
  head.writeBigUInt64LE(BigInt(head.length), headerBytes + 8);
  head.writeBigUInt64LE(BigInt(loadAddress), headerBytes + 16);
  head.writeBigUInt64LE(BigInt(loadAddress), headerBytes + 24);
  head.writeBigUInt64LE(BigInt(program.length), headerBytes + 32);
  head.writeBigUInt64LE(BigInt(program.length), headerBytes + 40);
  head.writeBigUInt64LE(4096n, headerBytes + 48);
  return Buffer.concat([head, program]);
}
