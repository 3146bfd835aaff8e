// Gives every inode its blocks. A place is never kept: it follows from the inodes before it, and is found again by
// going through them again, which costs less than the memory for the places of many files.

import { Allocator } from "./allocator.ts";
import { runsOf } from "./content.ts";
import { type Extent, extentTreeBlocks } from "./extents.ts";
import type { Geometry } from "./geometry.ts";
import type { PlannedInode } from "./planned-inode.ts";

/** The disk's blocks of one inode, in the order in which they are written. */
export interface Placement {
  readonly extents: readonly Extent[];
  /** The blocks of its extent tree. */
  readonly tree: readonly number[];
  /** 0 for none. */
  readonly xattrBlock: number;
}

/**
 * The inodes in the order of their blocks: directories and the file system's own first, so that a boot finds them
 * close together, then the content of files; within each, by number.
 */
export function* inBlockOrder(inodes: readonly PlannedInode[]): Generator<PlannedInode> {
  for (const inode of inodes) if (isEarly(inode)) yield inode;
  for (const inode of inodes) if (!isEarly(inode)) yield inode;
}

/** Places inodes: within each part of the order of blocks, each inode must be placed once, by number. */
export class Placer {
  readonly #early: Allocator;
  readonly #late: Allocator;

  private constructor(early: Allocator, late: Allocator) {
    this.#early = early;
    this.#late = late;
  }

  /** `inodes` are all inodes, ascending by number. */
  static over(geometry: Geometry, inodes: readonly PlannedInode[]): Placer {
    const beforeFiles = new Allocator(geometry.regions);
    for (const inode of inodes) if (isEarly(inode)) passWith(beforeFiles, inode);
    return new Placer(new Allocator(geometry.regions), beforeFiles);
  }

  place(inode: PlannedInode): Placement {
    return placeWith(isEarly(inode) ? this.#early : this.#late, inode);
  }

  /** As {@link place}, for when only the room is of interest. */
  pass(inode: PlannedInode): void {
    passWith(isEarly(inode) ? this.#early : this.#late, inode);
  }

  /** Every block before it has been given out or is a fixed part. */
  get cursor(): number {
    return this.#late.cursor;
  }

  /** How many blocks directories and the file contents placed so far have. */
  get allocatedBlocks(): number {
    return this.#late.allocated;
  }
}

function isEarly({ content }: PlannedInode): boolean {
  return content.kind !== "data" && content.kind !== "inline";
}

function placeWith(allocator: Allocator, { content, xattrs, path }: PlannedInode): Placement {
  const extents = runsOf(content).flatMap(({ start, count }) => allocator.allocate(start, count));
  const tree = allocator.allocateBlocks(extentTreeBlocks(extents.length, path));
  const [xattrBlock = 0] = allocator.allocateBlocks(xattrs.kind === "block" ? 1 : 0);
  return { extents, tree, xattrBlock };
}

/** Must move as {@link placeWith} does. */
function passWith(allocator: Allocator, { content, xattrs, path }: PlannedInode): void {
  let pieces = 0;
  for (const { count } of runsOf(content)) pieces += allocator.pass(count);
  allocator.pass(extentTreeBlocks(pieces, path));
  allocator.pass(xattrs.kind === "block" ? 1 : 0);
}
