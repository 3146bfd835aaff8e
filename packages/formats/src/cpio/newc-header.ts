// The header of a cpio entry in the "newc" format: 110 bytes of hexadecimal digits (cpio(5), "New ASCII Format").

import { KelpieError } from "@kelpie/platform";

export const headerBytes = 110;
export const trailerName = "TRAILER!!!";

const magic = "070701";
/** The same with a sum over the content, which nothing checks. */
const magicWithSum = "070702";
const maxNumber = 0xffffffff;

/** The type bits of st_mode. */
export const typeBits = {
  file: 0o100000,
  directory: 0o040000,
  symlink: 0o120000,
  "character-device": 0o020000,
  "block-device": 0o060000,
  fifo: 0o010000,
  socket: 0o140000,
} as const;

export interface NewcFields {
  readonly inode: number;
  /** With the type bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  readonly mtimeSeconds: number;
  readonly sizeBytes: number;
  readonly major: number;
  readonly minor: number;
  /** With the NUL at its end. */
  readonly nameBytes: number;
}

/** Reads a header. @throws KelpieError `malformed` */
export function parseNewc(header: Uint8Array, where: string): NewcFields {
  const text = Buffer.from(header).toString("latin1");
  const found = text.slice(0, 6);
  if (found !== magic && found !== magicWithSum) {
    throw malformed(`"${magic}" or "${magicWithSum}"`, JSON.stringify(found), where);
  }
  if (!/^[0-9A-Fa-f]{104}$/.test(text.slice(6))) {
    throw malformed("hexadecimal digits", JSON.stringify(text.slice(6)), where);
  }
  const field = (index: number): number => Number.parseInt(text.slice(6 + index * 8, 14 + index * 8), 16);
  return {
    inode: field(0),
    mode: field(1),
    uid: field(2),
    gid: field(3),
    linkCount: field(4),
    mtimeSeconds: field(5),
    sizeBytes: field(6),
    major: field(9),
    minor: field(10),
    nameBytes: field(11),
  };
}

/** The header and the name with its NUL, not yet padded. @throws KelpieError `limit-exceeded` */
export function encodeNewc(fields: Omit<NewcFields, "nameBytes">, name: string): Uint8Array {
  const nameWithNul = Buffer.from(`${name}\0`);
  const numbers = [
    fields.inode,
    fields.mode,
    fields.uid,
    fields.gid,
    fields.linkCount,
    fields.mtimeSeconds,
    fields.sizeBytes,
    0, // the device that holds the file: one for all, so that inode numbers are enough
    0,
    fields.major,
    fields.minor,
    nameWithNul.length,
    0, // the sum, which "newc" leaves out
  ];
  for (const number of numbers) {
    if (!Number.isInteger(number) || number < 0 || number > maxNumber) {
      throw new KelpieError("limit-exceeded", "A cpio archive cannot hold a number of a file", {
        expected: `0 to ${maxNumber}`,
        found: `${number}`,
        where: name,
      });
    }
  }
  const digits = numbers.map((number) => number.toString(16).toUpperCase().padStart(8, "0")).join("");
  return Buffer.concat([Buffer.from(magic + digits, "latin1"), nameWithNul]);
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a cpio header", { expected, found, where });
}
