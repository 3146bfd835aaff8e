// pax extended headers (POSIX.1-2001, pax, "pax Extended Header"): records of "length key=value\n".

import { KelpieError } from "@kelpie/platform";
import { decodeText } from "./header.ts";

/** Keys to values; a value need not be text. */
export type PaxRecords = ReadonlyMap<string, Uint8Array>;

const xattrPrefixes = ["SCHILY.xattr.", "LIBARCHIVE.xattr."];
const maxLengthDigits = 10;

/** Reads the records of one extended header. A key that stands twice is `malformed`: readers disagree on what it means. */
export function parsePaxRecords(bytes: Uint8Array, where: string): Map<string, Uint8Array> {
  const records = new Map<string, Uint8Array>();
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const digits = Buffer.from(bytes.subarray(at, Math.min(space, at + maxLengthDigits + 1))).toString(
      "latin1",
    );
    const length = space > at && /^[1-9][0-9]*$/.test(digits) ? Number(digits) : 0;
    const end = at + length;
    const equals = bytes.indexOf(0x3d, space);
    if (
      length === 0 ||
      end > bytes.length ||
      bytes[end - 1] !== 0x0a ||
      equals <= space + 1 ||
      equals >= end
    ) {
      throw malformedPax('"length key=value" and a newline', JSON.stringify(excerpt(bytes, at)), where);
    }
    const key = decodeText(bytes.subarray(space + 1, equals), "pax key", where);
    if (records.has(key)) throw malformedPax("a key at most once", key, where);
    records.set(key, bytes.slice(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** Applies the records of a header to those that held before: an empty value takes a key away. */
export function mergePaxRecords(before: PaxRecords, records: PaxRecords): PaxRecords {
  if (records.size === 0) return before;
  const merged = new Map(before);
  for (const [key, value] of records) {
    if (value.length === 0 && !isXattr(key)) merged.delete(key);
    else merged.set(key, value);
  }
  return merged;
}

/** A text record, or undefined. */
export function paxText(records: PaxRecords, key: string, where: string): string | undefined {
  const value = records.get(key);
  return value === undefined ? undefined : decodeText(value, key, where);
}

/** A number record in whole units, rounded down, or undefined. */
export function paxNumber(records: PaxRecords, key: string, where: string): number | undefined {
  const text = paxText(records, key, where);
  if (text === undefined) return undefined;
  const value = /^-?[0-9]{1,16}(\.[0-9]*)?$/.test(text) ? Math.floor(Number(text)) : Number.NaN;
  if (!Number.isSafeInteger(value))
    throw malformedPax(`a decimal number for ${key}`, text.slice(0, 100), where);
  return value;
}

/** The extended attributes that the records carry. */
export function paxXattrs(records: PaxRecords, where: string): ReadonlyMap<string, Uint8Array> {
  const xattrs = new Map<string, Uint8Array>();
  for (const [key, value] of records) {
    const prefix = xattrPrefixes.find((candidate) => key.startsWith(candidate));
    if (prefix === undefined) continue;
    const isEncoded = prefix === "LIBARCHIVE.xattr.";
    const name = isEncoded ? percentDecoded(key.slice(prefix.length), where) : key.slice(prefix.length);
    const content = isEncoded ? base64Decoded(value, where) : value;
    const other = xattrs.get(name);
    // libarchive writes both forms.
    if (other !== undefined && !Buffer.from(other).equals(content)) {
      throw malformedPax(`one value for the attribute ${name}`, "two", where);
    }
    xattrs.set(name, content);
  }
  return xattrs;
}

function isXattr(key: string): boolean {
  return xattrPrefixes.some((prefix) => key.startsWith(prefix));
}

function percentDecoded(text: string, where: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new KelpieError("malformed", "Cannot read a pax extended header", {
      expected: "a percent-encoded attribute name",
      found: text.slice(0, 100),
      where,
      cause,
    });
  }
}

function base64Decoded(value: Uint8Array, where: string): Uint8Array {
  const text = Buffer.from(value).toString("latin1").replace(/=*$/, "");
  if (!/^[A-Za-z0-9+/]*$/.test(text))
    throw malformedPax("an attribute value in base64", text.slice(0, 100), where);
  return new Uint8Array(Buffer.from(text, "base64"));
}

function excerpt(bytes: Uint8Array, at: number): string {
  return Buffer.from(bytes.subarray(at, at + 60)).toString("latin1");
}

function malformedPax(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a pax extended header", { expected, found, where });
}
