// Where the fixed parts of a file system of a given size stand: superblocks, descriptors, bitmaps, inode tables.

import {
  blocksPerGroup,
  descriptorsPerBlock,
  groupsPerFlex,
  inodesPerBlock,
  maxInodesPerGroup,
} from "./constants.ts";

/** A fixed part: `count` blocks from `start`. */
export type Region =
  /** A superblock, all descriptors and the blocks reserved for more of them. */
  | { readonly kind: "superblock"; readonly group: number; readonly start: number; readonly count: number }
  /** The block or inode bitmaps of `count` groups from `group` on. */
  | { readonly kind: "block-bitmaps"; readonly group: number; readonly start: number; readonly count: number }
  | { readonly kind: "inode-bitmaps"; readonly group: number; readonly start: number; readonly count: number }
  | { readonly kind: "inode-table"; readonly group: number; readonly start: number; readonly count: number };

/** Where a group's own structures are. */
export interface GroupTables {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
}

/** The frame that content is put into. */
export interface Geometry {
  readonly blocks: number;
  readonly inodesPerGroup: number;
  readonly descriptorBlocks: number;
  readonly reservedDescriptorBlocks: number;
  /** One for each group. */
  readonly groups: readonly GroupTables[];
  /** In order of their places; they never overlap. */
  readonly regions: readonly Region[];
}

/** So that a grown file system has an inode for every 16 KiB, as is usual. */
const minInodesPerGroup = 8192;
/** As mke2fs does: a last group with less room for content than this is left out. */
const minLastGroupContent = 50;

/** What a geometry has to provide beside blocks. */
export interface GeometryNeeds {
  readonly inodes: number;
  /** Used and reserved together; at least one more than used is kept. */
  readonly descriptorBlocks: number;
}

/** How many blocks a file system must have at least to have that many inodes. */
export function leastBlocks(needs: GeometryNeeds): number {
  const groups = Math.ceil(needs.inodes / maxInodesPerGroup);
  return groups > 1 ? (groups - 1) * blocksPerGroup + 1 : 1;
}

/** The number of blocks nearest to `blocks` that makes a whole file system: its last group is not too small. */
export function usableBlocks(blocks: number, needs: GeometryNeeds, direction: "up" | "down"): number {
  const last = blocks % blocksPerGroup;
  const frame = frameOf(blocks, needs);
  const least = superblockRegionBlocks(frame) + 2 + tableBlocks(frame.inodesPerGroup) + minLastGroupContent;
  if (last === 0 || last >= least) return blocks;
  return direction === "up" ? blocks - last + Math.min(least, blocksPerGroup) : blocks - last;
}

/** The geometry of `blocks` blocks, which must be usable; undefined where it cannot have so many inodes. */
export function layOutGroups(blocks: number, needs: GeometryNeeds): Geometry | undefined {
  const frame = frameOf(blocks, needs);
  if (frame.inodesPerGroup > maxInodesPerGroup) return undefined;
  const groupCount = Math.ceil(blocks / blocksPerGroup);
  const superblocks: Region[] = [];
  for (let group = 0; group < groupCount; group += 1) {
    if (!hasSuperblock(group)) continue;
    const start = group * blocksPerGroup;
    superblocks.push({ kind: "superblock", group, start, count: superblockRegionBlocks(frame) });
  }
  const groups: GroupTables[] = [];
  const tables: Region[] = [];
  for (let first = 0; first < groupCount; first += groupsPerFlex)
    layOutFlex(first, Math.min(groupsPerFlex, groupCount - first), frame, groups, tables);
  const regions = [...superblocks, ...tables].sort((a, b) => a.start - b.start);
  return { blocks, ...frame, groups, regions };
}

/** With the feature sparse_super, group 0, 1 and the powers of 3, 5 and 7 have a copy. */
export function hasSuperblock(group: number): boolean {
  return group <= 1 || [3, 5, 7].some((base) => isPower(group, base));
}

interface Frame {
  readonly inodesPerGroup: number;
  readonly descriptorBlocks: number;
  readonly reservedDescriptorBlocks: number;
}

function frameOf(blocks: number, needs: GeometryNeeds): Frame {
  const groups = Math.ceil(blocks / blocksPerGroup);
  const descriptorBlocks = Math.ceil(groups / descriptorsPerBlock);
  const inodes = Math.max(minInodesPerGroup, Math.ceil(needs.inodes / groups));
  return {
    inodesPerGroup: Math.ceil(inodes / inodesPerBlock) * inodesPerBlock,
    descriptorBlocks,
    reservedDescriptorBlocks: Math.max(1, needs.descriptorBlocks - descriptorBlocks),
  };
}

function superblockRegionBlocks(frame: Frame): number {
  return 1 + frame.descriptorBlocks + frame.reservedDescriptorBlocks;
}

function tableBlocks(inodesPerGroup: number): number {
  return inodesPerGroup / inodesPerBlock;
}

/** Puts the bitmaps and inode tables of neighbouring groups together at the start of the first of them. */
function layOutFlex(
  first: number,
  count: number,
  frame: Frame,
  groups: GroupTables[],
  regions: Region[],
): void {
  let at = first * blocksPerGroup;
  const place = (sizeBlocks: number): number => {
    for (;;) {
      const blocker = superblockIn(at, at + sizeBlocks);
      if (blocker === undefined) break;
      at = blocker * blocksPerGroup + superblockRegionBlocks(frame);
    }
    const start = at;
    at += sizeBlocks;
    return start;
  };
  const superblockIn = (start: number, end: number): number | undefined => {
    for (let group = Math.floor(start / blocksPerGroup); group * blocksPerGroup < end; group += 1) {
      const regionEnd = group * blocksPerGroup + superblockRegionBlocks(frame);
      if (hasSuperblock(group) && start < regionEnd) return group;
    }
    return undefined;
  };
  const blockBitmaps = place(count);
  regions.push({ kind: "block-bitmaps", group: first, start: blockBitmaps, count });
  const inodeBitmaps = place(count);
  regions.push({ kind: "inode-bitmaps", group: first, start: inodeBitmaps, count });
  for (let index = 0; index < count; index += 1) {
    const inodeTable = place(tableBlocks(frame.inodesPerGroup));
    groups.push({ blockBitmap: blockBitmaps + index, inodeBitmap: inodeBitmaps + index, inodeTable });
    const [group, size] = [first + index, tableBlocks(frame.inodesPerGroup)];
    regions.push({ kind: "inode-table", group, start: inodeTable, count: size });
  }
}

function isPower(value: number, base: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}
