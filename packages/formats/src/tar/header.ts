// One 512-byte tar header, as it stands: the fields of ustar (POSIX.1-1988), GNU and v7.

import { KelpieError } from "@kelpie/platform";

export const blockBytes = 512;

const decoder = new TextDecoder("utf-8", { fatal: true });

/** The fields of a header block, before extended headers are applied. */
export interface TarHeader {
  readonly path: string;
  /** One character; "0" for v7's NUL and for the contiguous files of old. */
  readonly type: string;
  readonly isV7: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly linkTarget: string;
  readonly uname: string;
  readonly gname: string;
  readonly major: number;
  readonly minor: number;
}

/**
 * Reads a header block; `where` is for messages.
 *
 * @throws KelpieError `malformed`
 */
export function parseTarHeader(block: Uint8Array, where: string): TarHeader {
  verifyChecksum(block, where);
  const number = (start: number, length: number, what: string): number =>
    parseNumber(block.subarray(start, start + length), what, where);
  const text = (start: number, length: number, what: string): string =>
    decodeText(untilNul(block.subarray(start, start + length)), what, where);

  const magic = String.fromCharCode(...block.subarray(257, 265));
  const isPosix = magic.startsWith("ustar\0");
  const isGnu = magic === "ustar  \0";
  const name = text(0, 100, "name");
  const prefix = isPosix ? text(345, 155, "name") : "";
  const typeByte = block[156] ?? 0;
  const isKnown = isPosix || isGnu;
  return {
    path: prefix === "" ? name : `${prefix}/${name}`,
    type: typeByte === 0 || typeByte === 0x37 ? "0" : String.fromCharCode(typeByte),
    isV7: !isKnown,
    mode: number(100, 8, "mode") & 0o7777,
    uid: number(108, 8, "uid"),
    gid: number(116, 8, "gid"),
    sizeBytes: number(124, 12, "size"),
    mtimeSeconds: number(136, 12, "time"),
    linkTarget: text(157, 100, "link"),
    uname: isKnown ? text(265, 32, "user") : "",
    gname: isKnown ? text(297, 32, "group") : "",
    major: isKnown ? number(329, 8, "device") : 0,
    minor: isKnown ? number(337, 8, "device") : 0,
  };
}

/** Text that a header or a pax record states; tar says UTF-8, and a tree holds nothing else. */
export function decodeText(bytes: Uint8Array, what: string, where: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new KelpieError("malformed", "Cannot read a tar header", {
      expected: `a ${what} in UTF-8`,
      found: JSON.stringify(Buffer.from(bytes).toString("latin1").slice(0, 200)),
      where,
      cause,
    });
  }
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const nul = bytes.indexOf(0);
  return nul < 0 ? bytes : bytes.subarray(0, nul);
}

function verifyChecksum(block: Uint8Array, where: string): void {
  let sum = 8 * 0x20;
  for (let index = 0; index < blockBytes; index += 1) {
    if (index < 148 || index >= 156) sum += block[index] ?? 0;
  }
  const stated = parseNumber(block.subarray(148, 156), "checksum", where);
  if (stated !== sum) {
    throw new KelpieError("malformed", "Cannot read a tar header", {
      expected: `checksum ${sum}`,
      found: `${stated}`,
      where,
    });
  }
}

/** Octal digits with spaces before and a space or NUL after, or a big-endian binary number where the top bit is set. */
function parseNumber(field: Uint8Array, what: string, where: string): number {
  const [first = 0] = field;
  const value = (first & 0x80) === 0 ? parseOctal(field) : parseBinary(field);
  if (value === undefined || !Number.isSafeInteger(value)) {
    throw new KelpieError("malformed", "Cannot read a tar header", {
      expected: `a ${what} in octal or base 256`,
      found: JSON.stringify(Buffer.from(field).toString("latin1")),
      where,
    });
  }
  return value;
}

function parseOctal(field: Uint8Array): number | undefined {
  const match = /^ *([0-7]*)(?:[ \0].*)?$/s.exec(Buffer.from(field).toString("latin1"));
  return match === null ? undefined : Number.parseInt(`0${match[1] ?? ""}`, 8);
}

/** Two's complement, of which the top bit of the first byte is a mark and the next one the sign. */
function parseBinary(field: Uint8Array): number | undefined {
  const [first = 0, ...rest] = field;
  const isNegative = (first & 0x40) !== 0;
  let value = isNegative ? (first & 0x7f) - 0x80 : first & 0x3f;
  for (const byte of rest) {
    value = value * 256 + byte;
    if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return value;
}
