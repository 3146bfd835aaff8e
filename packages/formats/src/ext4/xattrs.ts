// Extended attributes: in the inode where they fit, else in one block of their own.

import { KelpieError } from "@kelpie/platform";
import { crc32cUpdate } from "../checksum/crc32c.ts";
import { encodeAcl } from "./acl.ts";
import { crc32cOfNumber } from "./checksum.ts";
import { blockBytes, inodeBytes, inodeXattrOffset, xattrMagic } from "./constants.ts";

/** Attributes ready for the disk. */
export type EncodedXattrs =
  | { readonly kind: "none" }
  /** What follows the fields of the inode. */
  | { readonly kind: "inode"; readonly bytes: Uint8Array }
  /** A block, complete but for its checksum. */
  | { readonly kind: "block"; readonly bytes: Uint8Array };

interface Attribute {
  readonly prefix: number;
  readonly suffix: Uint8Array;
  readonly value: Uint8Array;
}

/** The disk's number for what a name begins with; a prefix that ends with "." takes a suffix. */
export const xattrPrefixes: ReadonlyMap<number, string> = new Map([
  [1, "user."],
  [2, "system.posix_acl_access"],
  [3, "system.posix_acl_default"],
  [4, "trusted."],
  [6, "security."],
]);

const inodeHeaderBytes = 4;
const blockHeaderBytes = 32;
const entryHeaderBytes = 16;
/** Four zero bytes end the list of entries. */
const endBytes = 4;
const maxSuffixBytes = 255;
const checksumOffset = 16;

/**
 * Encodes `xattrs`, whose names are full ("security.capability").
 *
 * @throws KelpieError `invalid-input` for a name that ext4 has no prefix for, `limit-exceeded` where they need more
 * than a block, `malformed` for an ACL that is none.
 */
export function encodeXattrs(
  xattrs: ReadonlyMap<string, Uint8Array> | undefined,
  where: string,
): EncodedXattrs {
  if (xattrs === undefined || xattrs.size === 0) return { kind: "none" };
  const attributes = [...xattrs].map(([name, value]) => toAttribute(name, value, where)).sort(order);
  const sizeBytes = attributes.reduce(
    (sum, { suffix, value }) => sum + entryHeaderBytes + padded(suffix.length) + padded(value.length),
    endBytes,
  );
  const inodeRoom = inodeBytes - inodeXattrOffset - inodeHeaderBytes;
  if (sizeBytes <= inodeRoom) {
    const bytes = new Uint8Array(inodeHeaderBytes + inodeRoom);
    new DataView(bytes.buffer).setUint32(0, xattrMagic, true);
    // Offsets of values count from the first entry. In an inode, entries carry no hash.
    encodeAttributes(bytes.subarray(inodeHeaderBytes), 0, attributes, false);
    return { kind: "inode", bytes };
  }
  if (sizeBytes > blockBytes - blockHeaderBytes) {
    throw new KelpieError("limit-exceeded", "The extended attributes of a file are too large for ext4", {
      expected: `at most ${blockBytes - blockHeaderBytes} bytes`,
      found: `${sizeBytes}`,
      where,
    });
  }
  const bytes = new Uint8Array(blockBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, xattrMagic, true);
  view.setUint32(4, 1, true); // inodes that use it
  view.setUint32(8, 1, true); // blocks
  const hashes = encodeAttributes(bytes, blockHeaderBytes, attributes, true);
  view.setUint32(12, blockHash(hashes), true);
  return { kind: "block", bytes };
}

/** Puts in the checksum, which depends on the block's place. */
export function sealXattrBlock(bytes: Uint8Array, place: number, fileSystemSeed: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(checksumOffset, 0, true);
  const low = crc32cOfNumber(fileSystemSeed, place % 2 ** 32);
  const start = crc32cOfNumber(low, Math.floor(place / 2 ** 32));
  view.setUint32(checksumOffset, crc32cUpdate(start, bytes), true);
}

function toAttribute(name: string, value: Uint8Array, where: string): Attribute {
  for (const [prefix, text] of xattrPrefixes) {
    const takesSuffix = text.endsWith(".");
    if (takesSuffix ? !name.startsWith(text) : name !== text) continue;
    const suffix = new TextEncoder().encode(name.slice(text.length));
    if ((takesSuffix && suffix.length === 0) || suffix.length > maxSuffixBytes || suffix.includes(0)) break;
    return { prefix, suffix, value: takesSuffix ? value : encodeAcl(value, `${where}, ${name}`) };
  }
  throw new KelpieError("invalid-input", "ext4 cannot hold this extended attribute", {
    expected: `a name that begins with ${[...xattrPrefixes.values()].join(", ")}`,
    found: JSON.stringify(name.slice(0, 300)),
    where,
  });
}

/** The order that the kernel keeps in a block: its search stops at the first that is greater. */
function order(a: Attribute, b: Attribute): number {
  return a.prefix - b.prefix || a.suffix.length - b.suffix.length || Buffer.compare(a.suffix, b.suffix);
}

/** Entries from `offset` on, values backwards from the end; returns the entries' hashes. */
function encodeAttributes(
  into: Uint8Array,
  offset: number,
  attributes: readonly Attribute[],
  withHash: boolean,
): number[] {
  const view = new DataView(into.buffer, into.byteOffset, into.length);
  const hashes: number[] = [];
  let at = offset;
  let valueAt = into.length;
  for (const { prefix, suffix, value } of attributes) {
    valueAt -= padded(value.length);
    into.set(value, valueAt);
    const hash = entryHash(suffix, into.subarray(valueAt, valueAt + padded(value.length)));
    hashes.push(hash);
    view.setUint8(at, suffix.length);
    view.setUint8(at + 1, prefix);
    view.setUint16(at + 2, value.length === 0 ? 0 : valueAt, true);
    view.setUint32(at + 8, value.length, true);
    view.setUint32(at + 12, withHash ? hash : 0, true);
    into.set(suffix, at + entryHeaderBytes);
    at += entryHeaderBytes + padded(suffix.length);
  }
  return hashes;
}

function entryHash(suffix: Uint8Array, paddedValue: Uint8Array): number {
  let hash = 0;
  for (const byte of suffix) hash = (hash << 5) ^ (hash >>> 27) ^ byte;
  const view = new DataView(paddedValue.buffer, paddedValue.byteOffset, paddedValue.length);
  for (let at = 0; at < paddedValue.length; at += 4)
    hash = (hash << 16) ^ (hash >>> 16) ^ view.getUint32(at, true);
  return hash >>> 0;
}

/** Zero says "do not share this block", which the kernel does where an entry has no hash. */
function blockHash(hashes: readonly number[]): number {
  if (hashes.includes(0)) return 0;
  return hashes.reduce((hash, entry) => (hash << 16) ^ (hash >>> 16) ^ entry, 0) >>> 0;
}

function padded(sizeBytes: number): number {
  return (sizeBytes + 3) & ~3;
}
