// Reads extended attributes, from an inode and from a block.

import type { KelpieError } from "@kelpie/platform";
import { crc32cUpdate } from "../../checksum/crc32c.ts";
import { decodeAcl } from "../acl.ts";
import { crc32cOfNumber } from "../checksum.ts";
import { xattrMagic } from "../constants.ts";
import { xattrPrefixes } from "../xattrs.ts";
import { type Disk, malformed, unsupported } from "./disk.ts";
import type { RawInode } from "./inode.ts";
import type { Superblock } from "./superblock.ts";

const entryHeaderBytes = 16;
const blockHeaderBytes = 32;
const checksumOffset = 16;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * All extended attributes of `inode` by full name, or undefined if it has none.
 *
 * @throws KelpieError `malformed`, or `unsupported` for names and values that are kept in another way.
 */
export async function readXattrs(
  disk: Disk,
  superblock: Superblock,
  inode: RawInode,
): Promise<ReadonlyMap<string, Uint8Array> | undefined> {
  const found = new Map<string, Uint8Array>();
  const { tail } = inode;
  const tailView = new DataView(tail.buffer, tail.byteOffset, tail.length);
  // Offsets count from the first entry in an inode, and from the block's beginning in a block.
  if (tail.length >= 4 && tailView.getUint32(0, true) === xattrMagic)
    parseEntries(disk, inode, tail.subarray(4), 0, found);
  if (inode.xattrBlock !== 0)
    parseEntries(disk, inode, await readXattrBlock(disk, superblock, inode), blockHeaderBytes, found);
  return found.size === 0 ? undefined : found;
}

async function readXattrBlock(disk: Disk, superblock: Superblock, inode: RawInode): Promise<Uint8Array> {
  const { blockBytes, blocks, checksumSeed } = superblock;
  const place = inode.xattrBlock;
  if (place >= blocks) throw bad(disk, inode, `a block below ${blocks}`, String(place));
  const block = await disk.read(place * blockBytes, blockBytes, `the attributes of inode ${inode.number}`);
  const view = new DataView(block.buffer);
  if (view.getUint32(0, true) !== xattrMagic)
    throw bad(disk, inode, "a block that begins with their magic", "another");
  if (checksumSeed !== undefined) {
    const checksum = view.getUint32(checksumOffset, true);
    view.setUint32(checksumOffset, 0, true);
    const low = crc32cOfNumber(checksumSeed, place % 2 ** 32);
    const expected = crc32cUpdate(crc32cOfNumber(low, Math.floor(place / 2 ** 32)), block);
    if (checksum !== expected) throw bad(disk, inode, `checksum ${expected}`, String(checksum));
  }
  return block;
}

function parseEntries(
  disk: Disk,
  inode: RawInode,
  bytes: Uint8Array,
  start: number,
  into: Map<string, Uint8Array>,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = start; at + 4 <= bytes.length && view.getUint32(at, true) !== 0; ) {
    if (at + entryHeaderBytes > bytes.length) throw bad(disk, inode, "whole entries", "a part of one");
    const suffixBytes = view.getUint8(at);
    const valueAt = view.getUint16(at + 2, true);
    const valueBytes = view.getUint32(at + 8, true);
    const suffixEnd = at + entryHeaderBytes + suffixBytes;
    if (view.getUint32(at + 4, true) !== 0)
      throw unsupported(
        disk,
        `An attribute of inode ${inode.number} cannot be read`,
        "a value in an inode of its own",
      );
    if (suffixEnd > bytes.length || valueAt + valueBytes > bytes.length)
      throw bad(
        disk,
        inode,
        `an attribute within ${bytes.length} bytes`,
        `${valueBytes} bytes at ${valueAt}`,
      );
    const suffix = decodeSuffix(disk, inode, bytes.subarray(at + entryHeaderBytes, suffixEnd));
    const prefix = xattrPrefixes.get(view.getUint8(at + 1));
    if (prefix === undefined)
      throw unsupported(
        disk,
        `An attribute of inode ${inode.number} cannot be read`,
        `prefix ${view.getUint8(at + 1)}`,
      );
    const name = prefix + suffix;
    if (into.has(name)) throw bad(disk, inode, "each attribute once", name);
    const value = bytes.slice(valueAt, valueAt + valueBytes);
    into.set(
      name,
      prefix.endsWith(".") ? value : decodeAcl(value, `${disk.where}, inode ${inode.number}, ${name}`),
    );
    at = (suffixEnd + 3) & ~3;
  }
}

function decodeSuffix(disk: Disk, inode: RawInode, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw unsupported(
      disk,
      `The name of an attribute of inode ${inode.number} is not UTF-8`,
      Buffer.from(bytes).toString("hex"),
    );
  }
}

function bad(disk: Disk, inode: RawInode, expected: string, found: string): KelpieError {
  return malformed(
    disk,
    `The extended attributes of inode ${inode.number} are not well-formed`,
    expected,
    found,
  );
}
