// The reserved inodes that the file system itself uses: the journal and the map of reserved descriptor blocks.

import { bytesSource } from "../byte-source.ts";
import { blockBytes, blocksPerGroup, inodeNumber } from "./constants.ts";
import { type Geometry, hasSuperblock } from "./geometry.ts";
import type { PlannedInode } from "./planned-inode.ts";

const pointersPerBlock = blockBytes / 4;
/** Where i_block keeps the block of the second level of indirection. */
const doubleIndirectOffset = 13 * 4;

const node = { kind: "file", mode: 0o600, uid: 0, gid: 0, content: bytesSource(new Uint8Array(0)) } as const;

/** The inode over the blocks that are reserved for descriptors of groups to come (feature resize_inode). */
export function descriptorMapInode(mtimeSeconds: number): PlannedInode {
  return {
    number: inodeNumber.resize,
    path: "(the map of reserved descriptors)",
    node: { ...node, mtimeSeconds },
    links: 1,
    parent: 0,
    content: { kind: "descriptor-map" },
    xattrs: { kind: "none" },
  };
}

/** The inode of a journal of `blocks` blocks. */
export function journalInode(blocks: number, mtimeSeconds: number): PlannedInode {
  return {
    number: inodeNumber.journal,
    path: "(the journal)",
    node: { ...node, mtimeSeconds },
    links: 1,
    parent: 0,
    content: { kind: "journal", blocks },
    xattrs: { kind: "none" },
  };
}

/** i_block of the map, whose one block of its own is `mapBlock`. */
export function descriptorMapPointers(mapBlock: number): Uint8Array {
  const block = new Uint8Array(doubleIndirectOffset + 4);
  new DataView(block.buffer).setUint32(doubleIndirectOffset, mapBlock, true);
  return block;
}

/** The map itself: it points to each reserved block after the first superblock. */
export function encodeDescriptorMap(geometry: Geometry): Uint8Array {
  const map = new Uint8Array(blockBytes);
  const view = new DataView(map.buffer);
  for (const { index, block } of reservedDescriptors(geometry))
    view.setUint32((index % pointersPerBlock) * 4, block, true);
  return map;
}

/** Each of those blocks points in turn to its copies after the other superblocks. */
export function* encodeReservedDescriptors(geometry: Geometry): Generator<Uint8Array> {
  const copies = backupGroups(geometry);
  for (const { block } of reservedDescriptors(geometry)) {
    const pointers = new Uint8Array(blockBytes);
    const view = new DataView(pointers.buffer);
    for (const [index, group] of copies.entries())
      view.setUint32(index * 4, block + group * blocksPerGroup, true);
    yield pointers;
  }
}

/** All blocks of the map, in 4 KiB blocks: its own, the reserved ones and their copies. */
export function descriptorMapBlocks(geometry: Geometry): number {
  return 1 + geometry.reservedDescriptorBlocks * (1 + backupGroups(geometry).length);
}

/** Groups other than the first that have a superblock. */
export function backupGroups(geometry: Geometry): number[] {
  return [...geometry.groups.keys()].filter((group) => group > 0 && hasSuperblock(group));
}

function reservedDescriptors(geometry: Geometry): { index: number; block: number }[] {
  return Array.from({ length: geometry.reservedDescriptorBlocks }, (_, reserved) => {
    const index = geometry.descriptorBlocks + reserved;
    return { index, block: 1 + index };
  });
}
