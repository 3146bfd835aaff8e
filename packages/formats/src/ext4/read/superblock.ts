// Reads and checks the superblock: what everything else in an image is measured by.

import { crc32cUpdate } from "../../checksum/crc32c.ts";
import { fileSystemSeed } from "../checksum.ts";
import { formatUuid } from "../summary.ts";
import {
  incompatFeature,
  roCompatFeature,
  superblockBytes,
  superblockMagic,
  superblockOffset,
} from "../constants.ts";
import { type Disk, malformed, unsupported } from "./disk.ts";

/** What the reader needs of a superblock. */
export interface Superblock {
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly firstDataBlock: number;
  readonly blocksPerGroup: number;
  readonly groups: number;
  readonly inodes: number;
  readonly freeInodes: number;
  readonly inodesPerGroup: number;
  readonly inodeBytes: number;
  readonly descriptorBytes: number;
  readonly label: string;
  readonly uuid: string;
  /** Where metadata's checksums start; undefined where metadata has none. */
  readonly checksumSeed: number | undefined;
}

const knownIncompat =
  incompatFeature.fileType |
  incompatFeature.extents |
  incompatFeature.wide |
  incompatFeature.flexGroups |
  incompatFeature.checksumSeed;
/** Clusters of blocks: allocation in other units, and so other extents. */
const bigAlloc = 0x200;
const maxLogBlockSize = 6;
const smallDescriptorBytes = 32;
const smallInodeBytes = 128;

/**
 * Reads the superblock of an image.
 *
 * @throws KelpieError `malformed`, or `unsupported` for features that change how files are found.
 */
export async function readSuperblock(disk: Disk): Promise<Superblock> {
  const bytes = await disk.read(superblockOffset, superblockBytes, "the ext4 superblock");
  const view = new DataView(bytes.buffer);
  const u16 = (at: number): number => view.getUint16(at, true);
  const u32 = (at: number): number => view.getUint32(at, true);
  const check = (isRight: boolean, expected: string, found: number): void => {
    if (!isRight) throw malformed(disk, "Cannot read the ext4 superblock", expected, String(found));
  };
  const hex = (value: number): string => `0x${value.toString(16)}`;

  if (u16(0x38) !== superblockMagic)
    throw malformed(disk, "This is not an ext4 file system", `magic ${hex(superblockMagic)}`, hex(u16(0x38)));
  const incompat = u32(0x60);
  const roCompat = u32(0x64);
  if ((incompat & incompatFeature.recover) !== 0)
    throw unsupported(disk, "The journal of the ext4 file system must be replayed first", "a journal in use");
  if (
    (incompat & ~knownIncompat) !== 0 ||
    (incompat & incompatFeature.fileType) === 0 ||
    (roCompat & bigAlloc) !== 0
  )
    throw unsupported(
      disk,
      "The ext4 file system has features that cannot be read",
      `${hex(incompat)}, ${hex(roCompat)}`,
    );

  const hasChecksums = (roCompat & roCompatFeature.metadataChecksum) !== 0;
  const checksum = crc32cUpdate(0xffffffff, bytes, 0, 0x3fc);
  if (hasChecksums && checksum !== u32(0x3fc))
    throw malformed(disk, "The ext4 superblock has a wrong checksum", hex(checksum), hex(u32(0x3fc)));

  const isWide = (incompat & incompatFeature.wide) !== 0;
  check(u32(0x18) <= maxLogBlockSize, "a block size up to 64 KiB", u32(0x18));
  const blockBytes = 1024 << u32(0x18);
  const blocks = u32(0x04) + (isWide ? u32(0x150) * 2 ** 32 : 0);
  check(
    blocks * blockBytes <= disk.sizeBytes,
    `at most ${Math.floor(disk.sizeBytes / blockBytes)} blocks`,
    blocks,
  );
  const firstDataBlock = u32(0x14);
  check(
    firstDataBlock === (blockBytes === 1024 ? 1 : 0) && blocks > firstDataBlock,
    "a first data block",
    firstDataBlock,
  );
  const blocksPerGroup = u32(0x20);
  check(
    blocksPerGroup > 0 && blocksPerGroup <= blockBytes * 8,
    "a group of at most a bitmap's blocks",
    blocksPerGroup,
  );
  const inodesPerGroup = u32(0x28);
  check(
    inodesPerGroup > 0 && inodesPerGroup <= blockBytes * 8,
    "a group of at most a bitmap's inodes",
    inodesPerGroup,
  );
  const groups = Math.ceil((blocks - firstDataBlock) / blocksPerGroup);
  check(u32(0x00) === groups * inodesPerGroup, `${groups * inodesPerGroup} inodes`, u32(0x00));
  const inodeBytes = u16(0x58);
  check(
    isPowerIn(inodeBytes, smallInodeBytes, blockBytes),
    "an inode size from 128 bytes to a block",
    inodeBytes,
  );
  const descriptorBytes = isWide ? u16(0xfe) : smallDescriptorBytes;
  check(
    isPowerIn(descriptorBytes, smallDescriptorBytes, blockBytes),
    "descriptors of 32 bytes or more",
    descriptorBytes,
  );

  const uuid = bytes.subarray(0x68, 0x78);
  const seed = (incompat & incompatFeature.checksumSeed) === 0 ? fileSystemSeed(uuid) : u32(0x270);
  return {
    blockBytes,
    blocks,
    freeBlocks: u32(0x0c) + (isWide ? u32(0x158) * 2 ** 32 : 0),
    firstDataBlock,
    blocksPerGroup,
    groups,
    inodes: u32(0x00),
    freeInodes: u32(0x10),
    inodesPerGroup,
    inodeBytes,
    descriptorBytes,
    label: new TextDecoder().decode(untilNul(bytes.subarray(0x78, 0x88))),
    uuid: formatUuid(uuid),
    checksumSeed: hasChecksums ? seed : undefined,
  };
}

function isPowerIn(value: number, min: number, max: number): boolean {
  return value >= min && value <= max && (value & (value - 1)) === 0;
}

function untilNul(bytes: Uint8Array): Uint8Array {
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}
