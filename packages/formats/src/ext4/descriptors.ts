// Group descriptors and the bitmaps that they describe.

import { crc32cUpdate } from "../checksum/crc32c.ts";
import { crc32cOfNumber } from "./checksum.ts";
import { blockBytes, blocksPerGroup, descriptorBytes, groupFlag } from "./constants.ts";
import type { Region } from "./geometry.ts";
import type { Ext4Plan } from "./plan.ts";

/** What of a group is in use. */
export interface GroupUsage {
  /** Undefined where the kernel can tell it from the geometry: nothing but a superblock's copy is in the group. */
  readonly blockBitmap: Uint8Array | undefined;
  readonly freeBlocks: number;
  /** Undefined where no inode is in use. */
  readonly inodeBitmap: Uint8Array | undefined;
  readonly freeInodes: number;
  readonly directories: number;
  /** Inodes at the end of the table that were never used. */
  readonly unusedInodes: number;
}

const firstFreeReserved = 10;

/** The usage of every group, in order. The bitmaps are made when they are asked for. */
export function* groupUsages(plan: Ext4Plan): Generator<GroupUsage> {
  const { geometry, inodes } = plan;
  const regions = regionsByGroup(geometry.regions);
  let nextInode = 0;
  for (const group of geometry.groups.keys()) {
    const firstInode = group * geometry.inodesPerGroup + 1;
    const end = firstInode + geometry.inodesPerGroup;
    const inodeBitmap = new Uint8Array(blockBytes);
    let usedInodes = 0;
    let lastUsed = 0;
    let directories = 0;
    const use = (number: number): void => {
      setBits(inodeBitmap, number - firstInode, 1);
      usedInodes += 1;
      lastUsed = Math.max(lastUsed, number - firstInode + 1);
    };
    // Reserved numbers count as used, whether something uses them or not.
    if (group === 0) for (let reserved = 1; reserved <= firstFreeReserved; reserved += 1) use(reserved);
    for (
      let inode = inodes[nextInode];
      inode !== undefined && inode.number < end;
      inode = inodes[nextInode]
    ) {
      if (inode.number > firstFreeReserved) use(inode.number);
      if (inode.content.kind === "directory") directories += 1;
      nextInode += 1;
    }
    setBits(inodeBitmap, geometry.inodesPerGroup, blockBytes * 8 - geometry.inodesPerGroup);
    yield {
      ...blockUsage(plan, group, regions.get(group) ?? []),
      inodeBitmap: usedInodes === 0 ? undefined : inodeBitmap,
      freeInodes: geometry.inodesPerGroup - usedInodes,
      directories,
      unusedInodes: geometry.inodesPerGroup - lastUsed,
    };
  }
}

function blockUsage(
  { geometry, cursor }: Ext4Plan,
  group: number,
  regions: readonly Region[],
): Pick<GroupUsage, "blockBitmap" | "freeBlocks"> {
  const start = group * blocksPerGroup;
  const blocks = Math.min(blocksPerGroup, geometry.blocks - start);
  const bitmap = new Uint8Array(blockBytes);
  const allocated = Math.min(Math.max(cursor - start, 0), blocks);
  setBits(bitmap, 0, allocated);
  let used = allocated;
  let isDerivable = allocated === 0 && blocks === blocksPerGroup && group < geometry.groups.length - 1;
  for (const region of regions) {
    const from = Math.max(region.start - start, allocated);
    const to = Math.min(region.start + region.count - start, blocks);
    if (to > from) {
      setBits(bitmap, from, to - from);
      used += to - from;
    }
    if (region.kind !== "superblock") isDerivable = false;
  }
  setBits(bitmap, blocks, blocksPerGroup - blocks);
  return { blockBitmap: isDerivable ? undefined : bitmap, freeBlocks: blocks - used };
}

/** All descriptors, padded to whole blocks. */
export function encodeDescriptors(plan: Ext4Plan): Uint8Array {
  const { geometry, checksumSeed } = plan;
  const bytes = new Uint8Array(geometry.descriptorBlocks * blockBytes);
  let group = 0;
  for (const usage of groupUsages(plan)) {
    const at = group * descriptorBytes;
    const view = new DataView(bytes.buffer, at, descriptorBytes);
    const split = (low: number, high: number, value: number): void => {
      view.setUint16(low, value & 0xffff, true);
      view.setUint16(high, value >>> 16, true);
    };
    const place = (low: number, high: number, block: number): void => {
      view.setUint32(low, block % 2 ** 32, true);
      view.setUint32(high, Math.floor(block / 2 ** 32), true);
    };
    const tables = geometry.groups[group] ?? { blockBitmap: 0, inodeBitmap: 0, inodeTable: 0 };
    place(0x00, 0x20, tables.blockBitmap);
    place(0x04, 0x24, tables.inodeBitmap);
    place(0x08, 0x28, tables.inodeTable);
    split(0x0c, 0x2c, usage.freeBlocks);
    split(0x0e, 0x2e, usage.freeInodes);
    split(0x10, 0x30, usage.directories);
    view.setUint16(0x12, flagsOf(usage), true);
    if (usage.blockBitmap !== undefined) split(0x18, 0x38, crc32cUpdate(checksumSeed, usage.blockBitmap));
    if (usage.inodeBitmap !== undefined)
      split(0x1a, 0x3a, crc32cUpdate(checksumSeed, usage.inodeBitmap, 0, geometry.inodesPerGroup / 8));
    split(0x1c, 0x32, usage.unusedInodes);
    const checksum = crc32cUpdate(crc32cOfNumber(checksumSeed, group), bytes, at, at + descriptorBytes);
    view.setUint16(0x1e, checksum & 0xffff, true);
    group += 1;
  }
  return bytes;
}

function flagsOf({ blockBitmap, inodeBitmap }: GroupUsage): number {
  return (
    groupFlag.inodeTableZeroed |
    (blockBitmap === undefined ? groupFlag.blocksUninitialized : 0) |
    (inodeBitmap === undefined ? groupFlag.inodesUninitialized : 0)
  );
}

function regionsByGroup(regions: readonly Region[]): Map<number, Region[]> {
  const byGroup = new Map<number, Region[]>();
  for (const region of regions) {
    const last = Math.floor((region.start + region.count - 1) / blocksPerGroup);
    for (let group = Math.floor(region.start / blocksPerGroup); group <= last; group += 1) {
      const list = byGroup.get(group);
      if (list === undefined) byGroup.set(group, [region]);
      else list.push(region);
    }
  }
  return byGroup;
}

function setBits(bitmap: Uint8Array, start: number, count: number): void {
  let at = start;
  const end = start + count;
  for (; at < end && at % 8 !== 0; at += 1) setBit(bitmap, at);
  const wholeBytes = Math.max(0, (end - at) >> 3);
  bitmap.fill(0xff, at >> 3, (at >> 3) + wholeBytes);
  for (at += wholeBytes * 8; at < end; at += 1) setBit(bitmap, at);
}

function setBit(bitmap: Uint8Array, at: number): void {
  bitmap[at >> 3] = (bitmap[at >> 3] ?? 0) | (1 << (at & 7));
}
