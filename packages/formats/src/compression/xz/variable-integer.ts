// Integers of one to nine bytes, seven bits in each (.xz file format 1.2.1, section 1.2).

import { malformedXz } from "./malformed-xz.ts";

const maxBytes = 9;

export interface VariableInteger {
  readonly value: number;
  /** The index of the byte behind it. */
  readonly end: number;
}

/** Reads the integer at `start`; one beyond 2^53 is `malformed`, since no file is that long. */
export function readVariableInteger(bytes: Uint8Array, start: number, where: string): VariableInteger {
  let value = 0;
  for (let index = 0; index < maxBytes; index += 1) {
    const byte = bytes[start + index];
    if (byte === undefined) break;
    // A last byte of zero would be a second way to write the same number.
    if (byte === 0 && index > 0) break;
    value += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) {
      if (!Number.isSafeInteger(value)) break;
      return { value, end: start + index + 1 };
    }
  }
  throw malformedXz("a variable-length integer below 2^53", "another", where);
}
