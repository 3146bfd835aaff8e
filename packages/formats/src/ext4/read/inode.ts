// Finds and reads inodes.

import { crc32cUpdate } from "../../checksum/crc32c.ts";
import { crc32cOfNumber, inodeSeed } from "../checksum.ts";
import { inodeBlockBytes } from "../constants.ts";
import { type Disk, malformed } from "./disk.ts";
import type { Superblock } from "./superblock.ts";

/** An inode as it lies on the disk. */
export interface RawInode {
  readonly number: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly mtimeSeconds: number;
  readonly ctimeSeconds: number;
  readonly flags: number;
  /** i_block. */
  readonly block: Uint8Array;
  /** The block of its extended attributes, or 0. */
  readonly xattrBlock: number;
  /** What follows its own fields: extended attributes, if they begin with their magic. */
  readonly tail: Uint8Array;
  /** Where the checksums of its directory and extent blocks start; undefined where metadata has none. */
  readonly checksumSeed: number | undefined;
}

const smallInodeBytes = 128;

/**
 * Reads inode `number`.
 *
 * @throws KelpieError `malformed`
 */
export async function readInode(disk: Disk, superblock: Superblock, number: number): Promise<RawInode> {
  const { inodesPerGroup, inodeBytes, blockBytes } = superblock;
  if (number < 1 || number > superblock.inodes)
    throw malformed(disk, "There is no such inode", `1 to ${superblock.inodes}`, String(number));
  const group = Math.floor((number - 1) / inodesPerGroup);
  const table = await readInodeTablePlace(disk, superblock, group);
  const position = table * blockBytes + ((number - 1) % inodesPerGroup) * inodeBytes;
  const bytes = await disk.read(position, inodeBytes, `inode ${number}`);
  const view = new DataView(bytes.buffer);
  const u16 = (at: number): number => view.getUint16(at, true);
  const u32 = (at: number): number => view.getUint32(at, true);
  const extraBytes = inodeBytes > smallInodeBytes ? u16(0x80) : 0;
  if (smallInodeBytes + extraBytes > inodeBytes || extraBytes % 4 !== 0)
    throw malformed(
      disk,
      `Cannot read inode ${number}`,
      "extra fields within the inode",
      `${extraBytes} bytes`,
    );
  const hasExtra = (end: number): boolean => smallInodeBytes + extraBytes >= end;

  const checksumSeed =
    superblock.checksumSeed === undefined ? undefined : inodeSeed(superblock.checksumSeed, number, u32(0x64));
  if (checksumSeed !== undefined) {
    const found = u16(0x7c) + (hasExtra(0x84) ? u16(0x82) * 2 ** 16 : 0);
    view.setUint16(0x7c, 0, true);
    if (hasExtra(0x84)) view.setUint16(0x82, 0, true);
    const whole = crc32cUpdate(checksumSeed, bytes);
    const expected = hasExtra(0x84) ? whole : whole & 0xffff;
    if (found !== expected)
      throw malformed(
        disk,
        `Inode ${number} has a wrong checksum`,
        `0x${expected.toString(16)}`,
        `0x${found.toString(16)}`,
      );
  }

  const sizeBytes = u32(0x04) + u32(0x6c) * 2 ** 32;
  if (!Number.isSafeInteger(sizeBytes))
    throw malformed(disk, `Cannot read inode ${number}`, "a size below 8 PiB", String(sizeBytes));
  const seconds = (at: number, extraAt: number): number =>
    view.getInt32(at, true) + (hasExtra(extraAt + 4) ? u32(extraAt) & 3 : 0) * 2 ** 32;
  return {
    number,
    mode: u16(0x00),
    uid: u16(0x02) + u16(0x78) * 2 ** 16,
    gid: u16(0x18) + u16(0x7a) * 2 ** 16,
    sizeBytes,
    mtimeSeconds: seconds(0x10, 0x88),
    ctimeSeconds: seconds(0x0c, 0x84),
    flags: u32(0x20),
    block: bytes.subarray(0x28, 0x28 + inodeBlockBytes),
    xattrBlock: u32(0x68) + u16(0x76) * 2 ** 32,
    tail: bytes.subarray(smallInodeBytes + extraBytes),
    checksumSeed,
  };
}

/** The first block of the inode table of `group`. */
async function readInodeTablePlace(disk: Disk, superblock: Superblock, group: number): Promise<number> {
  const { blockBytes, descriptorBytes, firstDataBlock, checksumSeed } = superblock;
  const position = (firstDataBlock + 1) * blockBytes + group * descriptorBytes;
  const bytes = await disk.read(position, descriptorBytes, `the descriptor of group ${group}`);
  const view = new DataView(bytes.buffer);
  if (checksumSeed !== undefined) {
    const found = view.getUint16(0x1e, true);
    view.setUint16(0x1e, 0, true);
    const expected = crc32cUpdate(crc32cOfNumber(checksumSeed, group), bytes) & 0xffff;
    if (found !== expected)
      throw malformed(
        disk,
        `The descriptor of group ${group} has a wrong checksum`,
        String(expected),
        String(found),
      );
  }
  const high = descriptorBytes >= 64 ? view.getUint32(0x28, true) : 0;
  const place = view.getUint32(0x08, true) + high * 2 ** 32;
  const tableBlocks = Math.ceil((superblock.inodesPerGroup * superblock.inodeBytes) / blockBytes);
  if (place === 0 || place + tableBlocks > superblock.blocks)
    throw malformed(
      disk,
      `Cannot find the inodes of group ${group}`,
      `a table within ${superblock.blocks} blocks`,
      `${place}`,
    );
  return place;
}
