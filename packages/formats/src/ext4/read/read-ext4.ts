// From an ext4 image to a file tree whose contents stay in the image.

import { KelpieError } from "@kelpie/platform";
import type { ByteSource } from "../../byte-source.ts";
import { FileTree } from "../../tree/file-tree.ts";
import type { DirectoryNode, TreeNode } from "../../tree/node.ts";
import { inodeNumber } from "../constants.ts";
import { type RawEntry, parseDirectoryBlock } from "./directory.ts";
import { Disk, malformed, unsupported } from "./disk.ts";
import { readExtents } from "./extents.ts";
import { type RawInode, readInode } from "./inode.ts";
import { readNode } from "./node.ts";
import { readSuperblock, type Superblock } from "./superblock.ts";

/** Bounds of the reading. */
export interface ReadExt4Options {
  /** The image's name, for messages. */
  readonly where?: string;
  /** Names in the whole tree. Default: one million. */
  readonly maxEntries?: number;
  /**
   * Leaves out what this reader does not know, a name or a target that is not UTF-8, rather than refusing the whole image:
   * told where it would stand (U+FFFD for bytes that are not UTF-8) and why it is not there.
   */
  readonly onLeftOut?: (path: string, why: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** What an image holds. */
export interface Ext4Contents {
  readonly label: string;
  readonly uuid: string;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly freeBlocks: number;
  readonly inodes: number;
  readonly freeInodes: number;
  /** With lost+found. Names of one inode hold the same node; holes are in `dataRanges`. */
  readonly tree: FileTree;
  /** When each node of the tree was last changed in any way (ctime), in whole seconds since the Unix epoch. */
  readonly changeTimes: ReadonlyMap<TreeNode, number>;
}

const defaultMaxEntries = 1_000_000;

/**
 * Reads the names, metadata and places of everything in the image `source`, which must be readable at any place; the
 * contents are read when they are opened. Checksums of metadata are checked wherever the image has them.
 *
 * @throws KelpieError `malformed`, `unsupported` for features or kinds of files that this reader does not know (among
 * them names that are not UTF-8), `limit-exceeded`, `cancelled`.
 */
export async function readExt4(source: ByteSource, options: ReadExt4Options = {}): Promise<Ext4Contents> {
  const { where = "the ext4 image" } = options;
  const disk = new Disk(source, where);
  const superblock = await readSuperblock(disk);
  const { tree, changeTimes } = await readTree(disk, superblock, options);
  const { label, uuid, blockBytes, blocks, freeBlocks, inodes, freeInodes } = superblock;
  return { label, uuid, blockBytes, blocks, freeBlocks, inodes, freeInodes, tree, changeTimes };
}

async function readTree(
  disk: Disk,
  superblock: Superblock,
  { maxEntries = defaultMaxEntries, onLeftOut, signal }: ReadExt4Options,
): Promise<Pick<Ext4Contents, "tree" | "changeTimes">> {
  const root = await readInode(disk, superblock, inodeNumber.root);
  const rootNode = await readNode(disk, superblock, root);
  if (rootNode.kind !== "directory")
    throw malformed(disk, "The root must be a directory", "a directory", rootNode.kind);
  const tree = new FileTree(rootNode);
  const nodes = new Map<number, TreeNode>([[root.number, rootNode]]);
  const changeTimes = new Map<TreeNode, number>([[rootNode, root.ctimeSeconds]]);
  const pending: { readonly inode: RawInode; readonly path: string }[] = [{ inode: root, path: "" }];
  // No two directories share a block, so all of them together cannot have more than there are.
  const budget = { blocks: superblock.blocks, entries: maxEntries };

  for (let directory = pending.pop(); directory !== undefined; directory = pending.pop()) {
    const { path } = directory;
    for await (const entry of readDirectory(disk, superblock, directory.inode, budget)) {
      const { name, inode: number } = entry;
      if (signal?.aborted === true)
        throw new KelpieError("cancelled", "The reading of an ext4 image was cancelled", {
          cause: signal.reason,
        });
      const childPath = path === "" ? name : `${path}/${name}`;
      if (entry.isForeign === true) {
        if (onLeftOut === undefined)
          throw unsupported(disk, `A name in directory ${directory.inode.number} is not UTF-8`, childPath);
        onLeftOut(childPath, "its name is not UTF-8");
        continue;
      }
      if (tree.has(childPath))
        throw malformed(disk, "A directory has a name twice", "each name once", childPath);
      const known = nodes.get(number);
      if (known?.kind === "directory")
        throw malformed(disk, "A directory has two names", "one name", `${childPath} is inode ${number} too`);
      const inode = known === undefined ? await readInode(disk, superblock, number) : undefined;
      let node: TreeNode | undefined = known;
      try {
        if (inode !== undefined) node = await readNode(disk, superblock, inode);
      } catch (error) {
        if (onLeftOut === undefined || !KelpieError.is(error) || error.code !== "unsupported") throw error;
        onLeftOut(childPath, error.message);
      }
      if (node === undefined) continue;
      nodes.set(number, node);
      if (inode !== undefined) changeTimes.set(node, inode.ctimeSeconds);
      tree.put(childPath, node);
      if (isDirectory(node) && inode !== undefined) pending.push({ inode, path: childPath });
    }
  }
  return { tree, changeTimes };
}

function isDirectory(node: TreeNode): node is DirectoryNode {
  return node.kind === "directory";
}

async function* readDirectory(
  disk: Disk,
  superblock: Superblock,
  inode: RawInode,
  budget: { blocks: number; entries: number },
): AsyncGenerator<RawEntry> {
  const { blockBytes } = superblock;
  const blocks = inode.sizeBytes / blockBytes;
  const extents = await readExtents(disk, superblock, inode);
  const covered = extents.reduce((sum, { count }) => sum + count, 0);
  if (!Number.isInteger(blocks) || covered < blocks)
    throw malformed(disk, `Directory ${inode.number} is not whole`, `${blocks} blocks`, `${covered}`);
  budget.blocks -= blocks;
  if (budget.blocks < 0)
    throw malformed(disk, "Directories share blocks", "each block in one directory", "more");
  for (const { logical, physical, count } of extents) {
    for (let index = 0; index < count && logical + index < blocks; index += 1) {
      const block = await disk.read((physical + index) * blockBytes, blockBytes, `directory ${inode.number}`);
      for (const entry of parseDirectoryBlock(disk, inode, logical + index, block)) {
        budget.entries -= 1;
        if (budget.entries < 0)
          throw new KelpieError("limit-exceeded", "There are too many names in the ext4 image", {
            where: disk.where,
          });
        yield entry;
      }
    }
  }
}
