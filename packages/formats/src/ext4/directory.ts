// Directories: one block of entries, or a hash tree over blocks of entries where one is too small.

import { KelpieError } from "@kelpie/platform";
import { crc32cOfNumber } from "./checksum.ts";
import { crc32cUpdate } from "../checksum/crc32c.ts";
import type { TreeNode } from "../tree/node.ts";
import { blockBytes } from "./constants.ts";
import { hashName } from "./directory-hash.ts";
import type { DirectoryEntry } from "./scan.ts";

/** How a directory's entries are spread over its blocks. */
export type DirectoryLayout =
  | { readonly kind: "linear"; readonly entries: readonly DirectoryEntry[]; readonly blocks: number }
  | {
      readonly kind: "indexed";
      readonly leaves: readonly Leaf[];
      /** Blocks of the index between its root and the leaves. */
      readonly nodes: number;
      readonly blocks: number;
    };

/** A block of entries under a hash tree. */
interface Leaf {
  /** The lowest hash in it; odd if the leaf before ends with the same hash. */
  readonly hash: number;
  readonly entries: readonly DirectoryEntry[];
}

const tailBytes = 12;
const tailFileType = 0xde;
const usableBytes = blockBytes - tailBytes;
const dotBytes = 12;
const rootIndexOffset = 32;
const nodeIndexOffset = 8;
const indexEntryBytes = 8;
/** One entry's room is the checksum's. */
const rootIndexLimit = (blockBytes - rootIndexOffset) / indexEntryBytes - 1;
const nodeIndexLimit = (blockBytes - nodeIndexOffset) / indexEntryBytes - 1;
const halfMd4 = 1;
const encoder = new TextEncoder();

const fileTypes: Readonly<Record<TreeNode["kind"], number>> = {
  file: 1,
  directory: 2,
  "character-device": 3,
  "block-device": 4,
  fifo: 5,
  socket: 6,
  symlink: 7,
};

/**
 * Spreads `entries` over blocks; `minBlocks` keeps empty blocks for later (lost+found).
 *
 * @throws KelpieError `limit-exceeded` for more names than a hash tree of two levels holds.
 */
export function layOutDirectory(
  entries: readonly DirectoryEntry[],
  hashSeed: Uint32Array,
  minBlocks: number,
  path: string,
): DirectoryLayout {
  const sizeBytes = entries.reduce((sum, { name }) => sum + entryBytes(name), 2 * dotBytes);
  if (sizeBytes <= usableBytes) return { kind: "linear", entries, blocks: Math.max(1, minBlocks) };
  const leaves = layOutLeaves(entries, hashSeed);
  const nodes = leaves.length <= rootIndexLimit ? 0 : Math.ceil(leaves.length / nodeIndexLimit);
  if (nodes > rootIndexLimit) {
    throw new KelpieError("limit-exceeded", "A directory has too many names for ext4", {
      expected: `at most ${rootIndexLimit * nodeIndexLimit} blocks of them`,
      found: `${leaves.length}`,
      where: path,
    });
  }
  return { kind: "indexed", leaves, nodes, blocks: 1 + nodes + leaves.length };
}

function layOutLeaves(entries: readonly DirectoryEntry[], hashSeed: Uint32Array): Leaf[] {
  const hashed = entries
    .map((entry) => ({ entry, ...hashName(encoder.encode(entry.name), hashSeed) }))
    .sort((a, b) => a.major - b.major || a.minor - b.minor);
  const leaves: { hash: number; entries: DirectoryEntry[] }[] = [];
  let room = 0;
  let previous = -1;
  for (const { entry, major } of hashed) {
    const needed = entryBytes(entry.name);
    if (needed > room) {
      leaves.push({ hash: previous === major ? major + 1 : major, entries: [] });
      room = usableBytes;
    }
    leaves.at(-1)?.entries.push(entry);
    room -= needed;
    previous = major;
  }
  return leaves;
}

/** The directory's own number and its parent's, and where its checksums start. */
export interface DirectoryIdentity {
  readonly inode: number;
  readonly parent: number;
  readonly checksumSeed: number;
}

/** The blocks of a directory in order. Each is valid until the next is asked for. */
export function* encodeDirectory(
  layout: DirectoryLayout,
  identity: DirectoryIdentity,
): Generator<Uint8Array> {
  const block = new Uint8Array(blockBytes);
  const dots = dotEntries(identity);
  if (layout.kind === "linear") {
    encodeEntries(block, [...dots, ...layout.entries], identity.checksumSeed);
    yield block;
    for (let empty = 1; empty < layout.blocks; empty += 1) {
      encodeEntries(block, [], identity.checksumSeed);
      yield block;
    }
    return;
  }
  const { leaves, nodes } = layout;
  const pointers = leaves.map(({ hash }, index) => ({ hash, block: 1 + nodes + index }));
  encodeIndexRoot(block, dots, nodes, identity.checksumSeed, nodes === 0 ? pointers : nodePointers(pointers));
  yield block;
  for (let node = 0; node < nodes; node += 1) {
    const part = pointers.slice(node * nodeIndexLimit, (node + 1) * nodeIndexLimit);
    encodeIndexNode(block, part, identity.checksumSeed);
    yield block;
  }
  for (const leaf of leaves) {
    encodeEntries(block, leaf.entries, identity.checksumSeed);
    yield block;
  }
}

/** An entry of an index: names from this hash on are in or under that block of the directory. */
interface IndexPointer {
  readonly hash: number;
  readonly block: number;
}

function nodePointers(pointers: readonly IndexPointer[]): IndexPointer[] {
  return pointers
    .filter((_, index) => index % nodeIndexLimit === 0)
    .map(({ hash }, index) => ({ hash, block: 1 + index }));
}

function dotEntries({ inode, parent }: DirectoryIdentity): [DirectoryEntry, DirectoryEntry] {
  return [
    { name: ".", inode, kind: "directory" },
    { name: "..", inode: parent, kind: "directory" },
  ];
}

function entryBytes(name: string): number {
  return (8 + Buffer.byteLength(name) + 3) & ~3;
}

function encodeEntry(block: Uint8Array, at: number, recordBytes: number, entry: DirectoryEntry): void {
  const view = new DataView(block.buffer);
  view.setUint32(at, entry.inode, true);
  view.setUint16(at + 4, recordBytes, true);
  view.setUint8(at + 6, encoder.encodeInto(entry.name, block.subarray(at + 8)).written);
  view.setUint8(at + 7, fileTypes[entry.kind]);
}

/** A block of entries: the last reaches to the tail, which holds the checksum in the guise of an unused entry. */
function encodeEntries(block: Uint8Array, entries: readonly DirectoryEntry[], checksumSeed: number): void {
  block.fill(0);
  const view = new DataView(block.buffer);
  let at = 0;
  for (const [index, entry] of entries.entries()) {
    const isLast = index === entries.length - 1;
    const recordBytes = isLast ? usableBytes - at : entryBytes(entry.name);
    encodeEntry(block, at, recordBytes, entry);
    at += recordBytes;
  }
  if (entries.length === 0) view.setUint16(4, usableBytes, true);
  view.setUint16(usableBytes + 4, tailBytes, true);
  view.setUint8(usableBytes + 7, tailFileType);
  view.setUint32(usableBytes + 8, crc32cUpdate(checksumSeed, block, 0, usableBytes), true);
}

/** The first block of a hash tree: "." and "..", so that a kernel without indexes sees a plain directory. */
function encodeIndexRoot(
  block: Uint8Array,
  [self, parent]: [DirectoryEntry, DirectoryEntry],
  nodes: number,
  checksumSeed: number,
  pointers: readonly IndexPointer[],
): void {
  block.fill(0);
  encodeEntry(block, 0, dotBytes, self);
  encodeEntry(block, dotBytes, blockBytes - dotBytes, parent);
  const view = new DataView(block.buffer);
  view.setUint8(28, halfMd4);
  view.setUint8(29, rootIndexOffset - 24);
  view.setUint8(30, nodes === 0 ? 0 : 1);
  encodeIndex(block, rootIndexOffset, rootIndexLimit, pointers, checksumSeed);
}

/** A block between root and leaves: one unused entry covers it for a kernel without indexes. */
function encodeIndexNode(block: Uint8Array, pointers: readonly IndexPointer[], checksumSeed: number): void {
  block.fill(0);
  new DataView(block.buffer).setUint16(4, blockBytes, true);
  encodeIndex(block, nodeIndexOffset, nodeIndexLimit, pointers, checksumSeed);
}

function encodeIndex(
  block: Uint8Array,
  offset: number,
  limit: number,
  pointers: readonly IndexPointer[],
  checksumSeed: number,
): void {
  const view = new DataView(block.buffer);
  for (const [index, pointer] of pointers.entries()) {
    view.setUint32(offset + index * indexEntryBytes, pointer.hash, true);
    view.setUint32(offset + index * indexEntryBytes + 4, pointer.block, true);
  }
  // The first pointer needs no hash: its place holds the limit and the count.
  view.setUint16(offset, limit, true);
  view.setUint16(offset + 2, pointers.length, true);
  const used = crc32cUpdate(checksumSeed, block, 0, offset + pointers.length * indexEntryBytes);
  const tail = offset + limit * indexEntryBytes;
  view.setUint32(tail + 4, crc32cOfNumber(crc32cOfNumber(used, 0), 0), true);
}
