// Extents: which blocks of the disk hold which blocks of a file, in the inode or in a tree of up to two levels.

import { KelpieError } from "@kelpie/platform";
import { crc32cUpdate } from "../checksum/crc32c.ts";
import { blockBytes, extentMagic } from "./constants.ts";

/** Neighbouring blocks of a file that are neighbours on the disk too. At most `maxExtentBlocks`. */
export interface Extent {
  readonly logical: number;
  readonly physical: number;
  readonly count: number;
}

const headerBytes = 12;
const entryBytes = 12;
const inodeCapacity = 4;
const blockCapacity = Math.floor((blockBytes - headerBytes) / entryBytes);
const tailOffset = headerBytes + blockCapacity * entryBytes;

/**
 * How many blocks of the disk a tree over `extents` extents takes: none while they fit in the inode.
 *
 * @throws KelpieError `limit-exceeded` for more than a tree of depth 2 holds.
 */
export function extentTreeBlocks(extents: number, path: string): number {
  if (extents <= inodeCapacity) return 0;
  const leaves = Math.ceil(extents / blockCapacity);
  if (leaves <= inodeCapacity) return leaves;
  const branches = Math.ceil(leaves / blockCapacity);
  if (branches <= inodeCapacity) return leaves + branches;
  throw new KelpieError("limit-exceeded", "A file is in too many pieces", {
    expected: `at most ${inodeCapacity * blockCapacity ** 2}`,
    found: String(extents),
    where: path,
  });
}

/** An extent tree: what the inode's i_block holds, and the blocks below it in the order of their places. */
export interface EncodedExtents {
  readonly root: Uint8Array;
  readonly blocks: readonly Uint8Array[];
}

/**
 * Encodes the tree over `extents`; `places` are the numbers of the disk's blocks that it may use, as many as
 * {@link extentTreeBlocks} says.
 */
export function encodeExtents(
  extents: readonly Extent[],
  places: readonly number[],
  checksumSeed: number,
): EncodedExtents {
  let level: Node[] = extents.map((extent) => ({ kind: "leaf", ...extent }));
  const blocks: Uint8Array[] = [];
  let depth = 0;
  while (level.length > inodeCapacity) {
    const above: Node[] = [];
    for (let at = 0; at < level.length; at += blockCapacity) {
      const part = level.slice(at, at + blockCapacity);
      const block = new Uint8Array(blockBytes);
      encodeNode(block, part, blockCapacity, depth);
      new DataView(block.buffer).setUint32(
        tailOffset,
        crc32cUpdate(checksumSeed, block, 0, tailOffset),
        true,
      );
      const physical = places[blocks.length];
      if (physical === undefined)
        throw new KelpieError("internal", "An extent tree has more blocks than places");
      above.push({ kind: "branch", logical: part[0]?.logical ?? 0, physical });
      blocks.push(block);
    }
    level = above;
    depth += 1;
  }
  const root = new Uint8Array(headerBytes + inodeCapacity * entryBytes);
  encodeNode(root, level, inodeCapacity, depth);
  return { root, blocks };
}

type Node =
  | ({ readonly kind: "leaf" } & Extent)
  | { readonly kind: "branch"; readonly logical: number; readonly physical: number };

function encodeNode(into: Uint8Array, entries: readonly Node[], capacity: number, depth: number): void {
  const view = new DataView(into.buffer);
  view.setUint16(0, extentMagic, true);
  view.setUint16(2, entries.length, true);
  view.setUint16(4, capacity, true);
  view.setUint16(6, depth, true);
  for (const [index, entry] of entries.entries()) {
    const at = headerBytes + index * entryBytes;
    const high = Math.floor(entry.physical / 2 ** 32);
    view.setUint32(at, entry.logical, true);
    if (entry.kind === "leaf") {
      view.setUint16(at + 4, entry.count, true);
      view.setUint16(at + 6, high, true);
      view.setUint32(at + 8, entry.physical % 2 ** 32, true);
    } else {
      view.setUint32(at + 4, entry.physical % 2 ** 32, true);
      view.setUint16(at + 8, high, true);
    }
  }
}
