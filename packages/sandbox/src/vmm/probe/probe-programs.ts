// The guest programs of the accelerator probe, as the assembler makes them of the `.S` files beside this one.

import type { Architecture } from "@kelpie/platform";

/** What each program writes to the serial port when all of it has worked. */
export const probeAnswer = "kelpie";

const programs: Readonly<Record<Architecture, string>> = {
  amd64:
    "+jHAjsC/ABC5ACD886smxwYAEAMgJscGACADMCbHBhggA0AmxwYAMIMAJmbHBvhPgwDg/y5mDwEWEP8PIOBmDSAGAAAPIuBmuAAQ" +
    "AAAPIthmuYAAAMAPMmYNAAEAAA8wDyDAZoPg+2YNAwAAgA8iwGbqeP7//wgAMcCO2I7AjtC8AHAAAL9gUAAAuM7+//9miQdmx0cC" +
    "CABmx0cEAI7B6BBmiUcGSMdHCAAAAABmxwQlAGAAAP8PSMcEJQJgAAAAUAAADwEcJQBgAAAPC/QxwA+iZg9uwGYP/sC5oIYBAP/J" +
    "dfy+Fv///7r4AwAAuQYAAADzbrr0AAAA7vTr/Y10AAAAAAAAAAAA//8AAACarwAPAAD///9rZWxwaWUAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAOkN/gAAAAAAAAAAAAAAAAA=",
  arm64:
    "igAAFAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" +
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACBQBYQwQAEGQUQDhk" +
    "AAA0RAAAOf3//xcABAAYAgAA1H8gA9X///8XwO7/EADAGNXAAwBYoYCA0gEAAPmhAwBYAQQA+eGfgNIBohjVYQMAWEEgGNUAIBjV" +
    "nz8D1d8/A9UBEDjVIQBAsgEQGNXfPwPVAQag0kEQGNXfPwPVABBuHgAoYB4BAADU5v//F2tlbHBpZQAAHyAD1QgAAIQAAAAAAAAA" +
    "CQAAAAAAADBAAAAAAAEHAEAAAAAAGTWAAAAAAAA=",
};

/** The program for an architecture, as `objcopy` leaves it. */
export function probeProgram(architecture: Architecture): Uint8Array {
  return Buffer.from(programs[architecture], "base64");
}

/** Of probe-direct-amd64.S. */
const direct =
  "+kjHxABAAAEPARQlMAEAAWoIaBkAAAFIyzHAjtiOwI7QvwAgAAG5AAIAAPNIq78wIAABuA8BAAHouwAAAL9gIAABuBUBAAHorAAA" +
  "AA8BHCU6AQABRTHAzA8LQYP4Aw+FkQAAAA8g4EgNAAYAAA8i4A8gwEiD4PNIg8gCDyLAZg9uwGYP/sC4AQAAAA+iQYnJQQ+64Q1z" +
  "EjHAMdIx2zHJv8A/AAHwSA/HD0EPuuEXcwXzSA+4x0EPuuEacyAPIOBIDQAABAAPIuC/AEAAAbgDAAAAMdJID64nSA+uL75EAQAB" +
  "uvgDAAC5BwAAAKzu/8l1+rD+5mT06/1miQdmx0cCCABmx0cEAI7B6BBmiUcGw0GDwAFIz0GDwAJIgwQkAkjPAAAAAAAAAAD//wAA" +
  "AJqvAA8AIAEAAQAAAAD/DwAgAAEAAAAAa2VscGllCg==";

const loadAddress = 0x100_0000;
/** The program, and what it uses behind itself. */
const memoryBytes = 0x8000;
const headerBytes = 64;
const programHeaderBytes = 56;

/** The program for a monitor that enters an amd64 kernel directly, as `objcopy` leaves it. */
export function directProgram(): Uint8Array {
  return Buffer.from(direct, "base64");
}

/** A program as an ELF kernel for amd64, to be entered in 64-bit mode at its beginning. */
export function amd64Kernel(program: Uint8Array): Buffer {
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
  head.writeUInt32LE(7, headerBytes + 4); // read, written and executed
  head.writeBigUInt64LE(BigInt(head.length), headerBytes + 8);
  head.writeBigUInt64LE(BigInt(loadAddress), headerBytes + 16);
  head.writeBigUInt64LE(BigInt(loadAddress), headerBytes + 24);
  head.writeBigUInt64LE(BigInt(program.length), headerBytes + 32);
  head.writeBigUInt64LE(BigInt(memoryBytes), headerBytes + 40);
  head.writeBigUInt64LE(4096n, headerBytes + 48);
  return Buffer.concat([head, program]);
}
