// Reads the names in a directory, block by block: a hash tree is a list of names to who passes over its index.

import { crc32cUpdate } from "../../checksum/crc32c.ts";
import { crc32cOfNumber } from "../checksum.ts";
import { inodeFlag } from "../constants.ts";
import { type Disk, malformed } from "./disk.ts";
import type { RawInode } from "./inode.ts";

/** A name and what it stands for. "." and ".." are not among them. */
export interface RawEntry {
  readonly name: string;
  readonly inode: number;
  /** Its bytes are not UTF-8: `name` has U+FFFD in their place, and cannot find it. */
  readonly isForeign?: true;
}

const entryHeaderBytes = 8;
const tailBytes = 12;
const indexRootOffset = 32;
const indexNodeOffset = 8;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The names in block `number` of the directory `inode`.
 *
 * @throws KelpieError `malformed`
 */
export function* parseDirectoryBlock(
  disk: Disk,
  inode: RawInode,
  number: number,
  block: Uint8Array,
): Generator<RawEntry> {
  if (inode.checksumSeed !== undefined) checkBlock(disk, inode, inode.checksumSeed, number, block);
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  for (let at = 0; at < block.length; ) {
    const remaining = block.length - at;
    const rawBytes = remaining < entryHeaderBytes ? 0 : view.getUint16(at + 4, true);
    // A block of 64 KiB in one entry does not fit 16 bits.
    const recordBytes = remaining === 0x10000 && (rawBytes === 0 || rawBytes === 0xffff) ? 0x10000 : rawBytes;
    const nameBytes = remaining < entryHeaderBytes ? 0 : view.getUint8(at + 6);
    if (recordBytes < entryHeaderBytes + nameBytes || recordBytes % 4 !== 0 || recordBytes > remaining) {
      const what = `A block of directory ${inode.number} is not well-formed`;
      throw malformed(disk, what, `an entry within ${remaining} bytes`, `${recordBytes} bytes`);
    }
    const target = view.getUint32(at, true);
    if (target !== 0) {
      const bytes = block.subarray(at + entryHeaderBytes, at + entryHeaderBytes + nameBytes);
      const name = decodeName(disk, inode, bytes);
      if (name === undefined) yield { name: Buffer.from(bytes).toString(), inode: target, isForeign: true };
      else if (name !== "." && name !== "..") yield { name, inode: target };
    }
    at += recordBytes;
  }
}

/** Undefined where it is not UTF-8. */
function decodeName(disk: Disk, inode: RawInode, bytes: Uint8Array): string | undefined {
  let name: string;
  try {
    name = decoder.decode(bytes);
  } catch {
    return undefined;
  }
  if (name === "" || name.includes("/") || name.includes("\0")) {
    const what = `A name in directory ${inode.number} is not acceptable`;
    throw malformed(disk, what, 'a name without "/" and NUL', JSON.stringify(name));
  }
  return name;
}

function checkBlock(disk: Disk, inode: RawInode, seed: number, number: number, block: Uint8Array): void {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const isIndexed = (inode.flags & inodeFlag.index) !== 0;
  const isIndexNode = isIndexed && view.getUint32(0, true) === 0 && view.getUint16(4, true) === block.length;
  const indexOffset = isIndexed && number === 0 ? indexRootOffset : isIndexNode ? indexNodeOffset : undefined;
  const [expected, found] =
    indexOffset === undefined
      ? leafChecksum(block, view, seed)
      : indexChecksum(block, view, seed, indexOffset);
  if (expected === found) return;
  const what = `Block ${number} of directory ${inode.number} has a wrong checksum`;
  throw malformed(
    disk,
    what,
    `0x${expected.toString(16)}`,
    found === undefined ? "no room for it" : `0x${found.toString(16)}`,
  );
}

type Checksums = readonly [expected: number, found: number | undefined];

function leafChecksum(block: Uint8Array, view: DataView, seed: number): Checksums {
  const end = block.length - tailBytes;
  return [crc32cUpdate(seed, block, 0, end), view.getUint32(end + 8, true)];
}

function indexChecksum(block: Uint8Array, view: DataView, seed: number, offset: number): Checksums {
  const tail = offset + view.getUint16(offset, true) * 8;
  const used = offset + view.getUint16(offset + 2, true) * 8;
  if (tail + 8 > block.length || used > tail) return [0, undefined];
  const covered = crc32cUpdate(crc32cUpdate(seed, block, 0, used), block, tail, tail + 4);
  return [crc32cOfNumber(covered, 0), view.getUint32(tail + 4, true)];
}
