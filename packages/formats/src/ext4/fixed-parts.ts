// The writing of superblocks, descriptors, bitmaps and inode tables, each when the output has come to its place.

import type { BlockWriter } from "./block-writer.ts";
import { inodeSeed } from "./checksum.ts";
import {
  blockBytes,
  inodeBytes,
  inodeFlag,
  inodeNumber,
  inodesPerBlock,
  superblockOffset,
} from "./constants.ts";
import { sizeOf } from "./content.ts";
import { encodeDescriptors, type GroupUsage, groupUsages } from "./descriptors.ts";
import { encodeExtents } from "./extents.ts";
import type { Region } from "./geometry.ts";
import { encodeInode } from "./inode.ts";
import { type Placement, Placer } from "./placer.ts";
import type { Ext4Plan } from "./plan.ts";
import type { PlannedInode } from "./planned-inode.ts";
import { descriptorMapBlocks, descriptorMapPointers, encodeReservedDescriptors } from "./special-inodes.ts";
import { encodeSuperblock, type SuperblockExtras } from "./superblock.ts";
import { countFree, overheadBlocks } from "./summary.ts";

const sectorsPerBlock = blockBytes / 512;

/** Knows which fixed part comes next. */
export class FixedParts {
  readonly #plan: Ext4Plan;
  readonly #out: BlockWriter;
  readonly #descriptors: Uint8Array;
  readonly #extras: SuperblockExtras;
  /** Consumed a flex group at a time, as the bitmaps of a flex group stand together. */
  readonly #usages: Iterator<GroupUsage>;
  #flexUsages: GroupUsage[] = [];
  readonly #placer: Placer;
  #nextRegion = 0;
  #nextInode = 0;

  constructor(plan: Ext4Plan, out: BlockWriter) {
    this.#plan = plan;
    this.#out = out;
    this.#descriptors = encodeDescriptors(plan);
    this.#usages = groupUsages(plan);
    this.#placer = Placer.over(plan.geometry, plan.inodes);
    const journalPointers = this.#journalPointers();
    this.#extras = { ...countFree(plan), overheadBlocks: overheadBlocks(plan), journalPointers };
  }

  /** Writes the parts that begin before `block`. */
  async writeBefore(block: number): Promise<void> {
    const { regions } = this.#plan.geometry;
    for (
      let region = regions[this.#nextRegion];
      region !== undefined && region.start < block;
      region = regions[this.#nextRegion]
    ) {
      this.#nextRegion += 1;
      await this.#out.zerosTo(region.start * blockBytes);
      await this.#write(region);
    }
  }

  async #write(region: Region): Promise<void> {
    switch (region.kind) {
      case "superblock":
        return this.#writeSuperblock(region);
      case "block-bitmaps":
        this.#flexUsages = this.#nextUsages(region.count);
        return this.#writeBitmaps(this.#flexUsages.map(({ blockBitmap }) => blockBitmap));
      case "inode-bitmaps":
        return this.#writeBitmaps(this.#flexUsages.map(({ inodeBitmap }) => inodeBitmap));
      case "inode-table":
        return this.#writeInodeTable(region);
      default:
        return region satisfies never;
    }
  }

  #nextUsages(count: number): GroupUsage[] {
    const usages: GroupUsage[] = [];
    while (usages.length < count) {
      const next = this.#usages.next();
      if (next.done === true) break;
      usages.push(next.value);
    }
    return usages;
  }

  async #writeSuperblock({ group }: Region): Promise<void> {
    const superblock = encodeSuperblock(this.#plan, this.#extras, group);
    const block = new Uint8Array(blockBytes);
    // The first leaves room for a boot sector.
    block.set(superblock, group === 0 ? superblockOffset : 0);
    await this.#out.write(block);
    await this.#out.write(this.#descriptors);
    if (group !== 0) return;
    for (const pointers of encodeReservedDescriptors(this.#plan.geometry)) await this.#out.write(pointers);
  }

  async #writeBitmaps(bitmaps: readonly (Uint8Array | undefined)[]): Promise<void> {
    for (const bitmap of bitmaps) {
      if (bitmap === undefined) await this.#out.zerosTo(this.#out.position + blockBytes);
      else await this.#out.write(bitmap);
    }
  }

  async #writeInodeTable({ group, start }: Region): Promise<void> {
    const { inodes, geometry } = this.#plan;
    const first = group * geometry.inodesPerGroup + 1;
    const end = first + geometry.inodesPerGroup;
    const block = new Uint8Array(blockBytes);
    let inode = inodes[this.#nextInode];
    while (inode !== undefined && inode.number < end) {
      const index = Math.floor((inode.number - first) / inodesPerBlock);
      const blockEnd = first + (index + 1) * inodesPerBlock;
      block.fill(0);
      while (inode !== undefined && inode.number < blockEnd) {
        this.#encode(inode, block, ((inode.number - first) % inodesPerBlock) * inodeBytes);
        this.#nextInode += 1;
        inode = inodes[this.#nextInode];
      }
      await this.#out.zerosTo((start + index) * blockBytes);
      await this.#out.write(block);
    }
  }

  #encode(inode: PlannedInode, block: Uint8Array, offset: number): void {
    const placement = this.#placer.place(inode);
    const { content, xattrs } = inode;
    const isInExtents = content.kind !== "inline" && content.kind !== "descriptor-map";
    const hasIndex = content.kind === "directory" && content.layout.kind === "indexed";
    const fields = {
      node: inode.node,
      links: inode.links,
      sizeBytes: sizeOf(content),
      sectors: this.#blocksOf(content.kind, placement) * sectorsPerBlock,
      flags: (isInExtents ? inodeFlag.extents : 0) | (hasIndex ? inodeFlag.index : 0),
      block: this.#pointersOf(inode, placement),
      otherTimesSeconds: this.#plan.timestampSeconds,
      xattrBlock: placement.xattrBlock,
      xattrs: xattrs.kind === "inode" ? xattrs.bytes : undefined,
    };
    encodeInode(block, offset, fields, inodeSeed(this.#plan.checksumSeed, inode.number, 0));
  }

  /** The superblock, which comes before all inode tables, repeats what the journal's inode says. */
  #journalPointers(): Uint8Array | undefined {
    const { geometry, inodes } = this.#plan;
    const placer = Placer.over(geometry, inodes);
    for (const inode of inodes) {
      const placement = placer.place(inode);
      if (inode.content.kind === "journal") return this.#pointersOf(inode, placement);
      if (inode.number > inodeNumber.journal) return undefined;
    }
    return undefined;
  }

  /** i_block. */
  #pointersOf({ content, number }: PlannedInode, { extents, tree }: Placement): Uint8Array {
    if (content.kind === "inline") return content.block;
    if (content.kind === "descriptor-map") return descriptorMapPointers(extents[0]?.physical ?? 0);
    return encodeExtents(extents, tree, inodeSeed(this.#plan.checksumSeed, number, 0)).root;
  }

  #blocksOf(kind: PlannedInode["content"]["kind"], { extents, tree, xattrBlock }: Placement): number {
    if (kind === "descriptor-map") return descriptorMapBlocks(this.#plan.geometry);
    const data = extents.reduce((sum, { count }) => sum + count, 0);
    return data + tree.length + (xattrBlock === 0 ? 0 : 1);
  }
}
