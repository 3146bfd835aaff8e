// The header of a gzip member (RFC 1952, section 2.3), read byte for byte.

import { KelpieError } from "@kelpie/platform";
import type { StreamReader } from "../stream/stream-reader.ts";

const flagHeaderCrc = 0x02;
const flagExtra = 0x04;
const flagName = 0x08;
const flagComment = 0x10;
const flagsReserved = 0xe0;
const maxTextBytes = 64 * 1024;

/** Passes over a member's header; `onBytes` is given every byte of it. */
export async function skipGzipHeader(
  reader: StreamReader,
  onBytes: (bytes: Uint8Array) => void,
): Promise<void> {
  const start = reader.offset;
  const read = async (sizeBytes: number): Promise<Uint8Array> => {
    const bytes = await reader.readExactly(sizeBytes, "A gzip header");
    onBytes(bytes);
    return bytes;
  };
  const [id1 = 0, id2 = 0, method = 0, flags = 0] = await read(10);
  if (id1 !== 0x1f || id2 !== 0x8b) throw badHeader(reader, start, "1f 8b", hex(id1, id2));
  if (method !== 8) throw badHeader(reader, start, "method 8 (deflate)", `method ${method}`);
  if ((flags & flagsReserved) !== 0)
    throw badHeader(reader, start, "no reserved flags", `flags ${hex(flags)}`);
  if ((flags & flagExtra) !== 0) {
    const [low = 0, high = 0] = await read(2);
    await read(low | (high << 8));
  }
  for (const flag of [flagName, flagComment]) {
    if ((flags & flag) === 0) continue;
    let length = 0;
    while ((await read(1))[0] !== 0) {
      length += 1;
      if (length > maxTextBytes) {
        throw new KelpieError("limit-exceeded", "A name in a gzip header is too long", {
          expected: `at most ${maxTextBytes} bytes`,
          where: reader.at(start),
        });
      }
    }
  }
  // Its two bytes of CRC say nothing that the member's own CRC does not.
  if ((flags & flagHeaderCrc) !== 0) await read(2);
}

function hex(...bytes: number[]): string {
  return bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function badHeader(reader: StreamReader, start: number, expected: string, found: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a gzip header", {
    expected,
    found,
    where: reader.at(start),
  });
}
