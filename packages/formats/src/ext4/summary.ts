// What there is to say of a file system that was written.

import { blockBytes } from "./constants.ts";
import type { Ext4Plan } from "./plan.ts";

/** The figures of a written file system. */
export interface Ext4Summary {
  /** The size of the image. */
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
  /** In the usual form, lower case. */
  readonly uuid: string;
}

/** The figures of `plan`. */
export function summarize(plan: Ext4Plan): Ext4Summary {
  const { sizeBytes, geometry, uuid } = plan;
  const inodes = geometry.groups.length * geometry.inodesPerGroup;
  return {
    sizeBytes,
    blockBytes,
    blocks: geometry.blocks,
    inodes,
    ...countFree(plan),
    uuid: formatUuid(uuid),
  };
}

/** What is left for content to come. */
export function countFree({ geometry, usedBlocks, inodes }: Ext4Plan): {
  freeBlocks: number;
  freeInodes: number;
} {
  // Numbers below the last are all in use or reserved.
  const usedInodes = inodes.at(-1)?.number ?? 0;
  return {
    freeBlocks: geometry.blocks - usedBlocks,
    freeInodes: geometry.groups.length * geometry.inodesPerGroup - usedInodes,
  };
}

/** Blocks that content can never have, as the kernel counts them for statfs: the fixed parts and the journal. */
export function overheadBlocks({ geometry, journalBlocks }: Ext4Plan): number {
  return geometry.regions.reduce((sum, { count }) => sum + count, journalBlocks);
}

/** The usual form, in lower case. */
export function formatUuid(uuid: Uint8Array): string {
  return Buffer.from(uuid)
    .toString("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
