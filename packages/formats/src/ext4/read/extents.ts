// Reads the extents of an inode, from i_block down.

import { KelpieError } from "@kelpie/platform";
import { crc32cUpdate } from "../../checksum/crc32c.ts";
import { extentMagic, inodeFlag, maxExtentBlocks } from "../constants.ts";
import type { Extent } from "../extents.ts";
import { type Disk, malformed, unsupported } from "./disk.ts";
import type { RawInode } from "./inode.ts";
import type { Superblock } from "./superblock.ts";

const headerBytes = 12;
const entryBytes = 12;
const maxDepth = 5;
/** More than a writer would make of 4 TiB in the smallest pieces that make sense; a bound for hostile trees. */
const maxTreeBlocks = 4096;

/**
 * The extents of `inode`, ascending. Those that were allocated but never written are left out: they read as zeros.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, or `unsupported` for a file in the block map of ext2.
 */
export async function readExtents(disk: Disk, superblock: Superblock, inode: RawInode): Promise<Extent[]> {
  if ((inode.flags & inodeFlag.extents) === 0) {
    if (inode.block.every((byte) => byte === 0)) return [];
    throw unsupported(disk, `Inode ${inode.number} is not in extents`, "a block map");
  }
  const found: Extent[] = [];
  let treeBlocks = 0;
  let nextLogical = 0;

  const visit = async (node: Uint8Array, expectedDepth: number | undefined): Promise<void> => {
    const view = new DataView(node.buffer, node.byteOffset, node.length);
    const entries = view.getUint16(2, true);
    const depth = view.getUint16(6, true);
    const capacity = Math.min(view.getUint16(4, true), Math.floor((node.length - headerBytes) / entryBytes));
    const isRight = depth <= maxDepth && (expectedDepth === undefined || depth === expectedDepth);
    if (view.getUint16(0, true) !== extentMagic || entries > capacity || !isRight)
      throw bad(`depth ${expectedDepth ?? "0 to 5"}, at most ${capacity} entries`, `${depth}, ${entries}`);
    for (let index = 0; index < entries; index += 1) {
      const at = headerBytes + index * entryBytes;
      const logical = view.getUint32(at, true);
      if (depth === 0) {
        addExtent(
          logical,
          view.getUint16(at + 4, true),
          view.getUint32(at + 8, true) + view.getUint16(at + 6, true) * 2 ** 32,
        );
      } else {
        await visit(
          await readNode(view.getUint32(at + 4, true) + view.getUint16(at + 8, true) * 2 ** 32),
          depth - 1,
        );
      }
    }
  };

  const addExtent = (logical: number, length: number, physical: number): void => {
    const isWritten = length <= maxExtentBlocks;
    const count = isWritten ? length : length - maxExtentBlocks;
    if (count === 0 || logical < nextLogical)
      throw bad("ascending extents", `block ${logical} after ${nextLogical}`);
    if (physical === 0 || physical + count > superblock.blocks)
      throw bad(`blocks below ${superblock.blocks}`, `${count} from ${physical}`);
    nextLogical = logical + count;
    if (isWritten) found.push({ logical, physical, count });
  };

  const readNode = async (place: number): Promise<Uint8Array> => {
    treeBlocks += 1;
    if (treeBlocks > maxTreeBlocks)
      throw new KelpieError("limit-exceeded", `The extent tree of inode ${inode.number} is too large`, {
        expected: `at most ${maxTreeBlocks} blocks`,
        where: disk.where,
      });
    if (place >= superblock.blocks) throw bad(`a block below ${superblock.blocks}`, String(place));
    const { blockBytes } = superblock;
    const node = await disk.read(place * blockBytes, blockBytes, `the extents of inode ${inode.number}`);
    if (inode.checksumSeed !== undefined) {
      const view = new DataView(node.buffer);
      const tail = headerBytes + view.getUint16(4, true) * entryBytes;
      if (tail + 4 > blockBytes) throw bad("room for a checksum", `${tail} bytes`);
      const expected = crc32cUpdate(inode.checksumSeed, node, 0, tail);
      if (view.getUint32(tail, true) !== expected)
        throw bad(`checksum ${expected}`, String(view.getUint32(tail, true)));
    }
    return node;
  };

  const bad = (expected: string, actual: string): KelpieError =>
    malformed(disk, `The extent tree of inode ${inode.number} is not well-formed`, expected, actual);

  await visit(inode.block, undefined);
  return found;
}
