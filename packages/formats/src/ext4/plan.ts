// The layout of a whole file system, decided before a byte is written: every inode numbered, every block placed.

import { createHash } from "node:crypto";
import { KelpieError } from "@kelpie/platform";
import type { FileTree } from "../tree/file-tree.ts";
import { Allocator } from "./allocator.ts";
import { fileSystemSeed } from "./checksum.ts";
import { blockBytes, maxLinks } from "./constants.ts";
import { type Content, contentOf } from "./content.ts";
import { type Extent, extentTreeBlocks } from "./extents.ts";
import { type Geometry, type GeometryNeeds, layOutGroups, leastBlocks, usableBlocks } from "./geometry.ts";
import { inodeMode } from "./inode.ts";
import { type Ext4Options, type ResolvedOptions, resolveOptions } from "./options.ts";
import { type ScannedInode, scanTree } from "./scan.ts";
import { descriptorMapInode, journalInode } from "./special-inodes.ts";
import { encodeXattrs, type EncodedXattrs } from "./xattrs.ts";

/** An inode with all that it holds, and where. */
export interface PlannedInode {
  readonly number: number;
  readonly path: string;
  readonly links: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtimeSeconds: number;
  /** The directory that holds it first: what ".." names in a directory. */
  readonly parent: number;
  readonly content: Content;
  readonly xattrs: EncodedXattrs;
}

/** The disk's blocks of one inode, in the order in which they are written. */
export interface Placement {
  readonly extents: readonly Extent[];
  /** The blocks of its extent tree. */
  readonly tree: readonly number[];
  /** 0 for none. */
  readonly xattrBlock: number;
}

/** Everything that there is to know of a file system but its files' content. */
export interface Ext4Plan {
  /** Of the whole image. */
  readonly sizeBytes: number;
  readonly uuid: Uint8Array;
  readonly hashSeed: Uint32Array;
  readonly checksumSeed: number;
  readonly label: Uint8Array;
  readonly timestampSeconds: number;
  readonly geometry: Geometry;
  /** The journal's blocks, 0 for no journal. */
  readonly journalBlocks: number;
  /** Ascending by number, the reserved ones that are in use included. */
  readonly inodes: readonly PlannedInode[];
  /** In order of their blocks: directories first, so that a boot finds them together. */
  readonly placements: ReadonlyMap<PlannedInode, Placement>;
  /** All blocks before it are in use; behind it, only the fixed parts are. */
  readonly cursor: number;
  readonly usedBlocks: number;
}

/** With the feature dir_nlink: a directory of so many directories that they are not counted. */
const uncountedLinks = 1;
/** Inodes kept free at least, and one for so many free blocks. */
const minFreeInodes = 1024;
const freeBlocksPerInode = 4;

/**
 * Lays out `tree` without reading any file's content: from names, sizes and metadata alone.
 *
 * @throws KelpieError `invalid-input` for options or entries that ext4 cannot hold, or content larger than
 * `options.size`; `limit-exceeded` for too many links, names, attributes or bytes.
 */
export function planExt4(tree: FileTree, options: Ext4Options): Ext4Plan {
  const resolved = resolveOptions(options);
  const [uuid, hashSeed] = deriveIdentity(resolved.seed);
  const scanned = scanTree(tree, resolved.timestampSeconds);
  const inodes = [
    ...scanned.map((inode) => planInode(inode, hashSeed)),
    descriptorMapInode(resolved.timestampSeconds),
    ...(resolved.journalBlocks > 0 ? [journalInode(resolved)] : []),
  ].sort((a, b) => a.number - b.number);
  const needs: GeometryNeeds = {
    inodes:
      (inodes.at(-1)?.number ?? 0) +
      Math.max(minFreeInodes, Math.ceil(resolved.freeBlocks / freeBlocksPerInode)),
    descriptorBlocks: resolved.descriptorBlocks,
  };
  const fitted =
    resolved.sizeBytes === undefined ? fit(inodes, needs, resolved) : fill(inodes, needs, resolved);
  const { label, timestampSeconds, journalBlocks } = resolved;
  const checksumSeed = fileSystemSeed(uuid);
  return { uuid, hashSeed, checksumSeed, label, timestampSeconds, journalBlocks, inodes, ...fitted };
}

type Fitted = Pick<Ext4Plan, "sizeBytes" | "geometry" | "placements" | "cursor" | "usedBlocks">;

/** The smallest file system that holds everything: tried, and enlarged by what was missing. */
function fit(inodes: readonly PlannedInode[], needs: GeometryNeeds, options: ResolvedOptions): Fitted {
  let blocks = usableBlocks(leastBlocks(needs), needs, "up");
  for (;;) {
    const attempt = tryBlocks(blocks, inodes, needs);
    const missing = (attempt?.usedBlocks ?? blocks + 1) + options.freeBlocks - blocks;
    if (attempt !== undefined && missing <= 0) return { ...attempt, sizeBytes: blocks * blockBytes };
    blocks = usableBlocks(blocks + missing, needs, "up");
  }
}

/** A file system of the size that was asked for; what remains behind its last whole group stays unused. */
function fill(inodes: readonly PlannedInode[], needs: GeometryNeeds, options: ResolvedOptions): Fitted {
  const sizeBytes = options.sizeBytes ?? 0;
  const blocks = usableBlocks(Math.floor(sizeBytes / blockBytes), needs, "down");
  const attempt = blocks === 0 ? undefined : tryBlocks(blocks, inodes, needs);
  if (attempt === undefined || attempt.usedBlocks + options.freeBlocks > blocks) {
    throw new KelpieError("invalid-input", "The tree does not fit a file system of this size", {
      expected: `at least ${fit(inodes, needs, options).sizeBytes} bytes`,
      found: `${sizeBytes}`,
      help: "Make size larger, or leave it out to have it fitted to the content.",
    });
  }
  return { ...attempt, sizeBytes };
}

function tryBlocks(
  blocks: number,
  inodes: readonly PlannedInode[],
  needs: GeometryNeeds,
): Omit<Fitted, "sizeBytes"> | undefined {
  const geometry = layOutGroups(blocks, needs);
  if (geometry === undefined) return undefined;
  const allocator = new Allocator(geometry.regions);
  const placements = new Map<PlannedInode, Placement>();
  const isLate = (inode: PlannedInode): boolean => inode.content.kind === "data";
  for (const inode of inodes) if (!isLate(inode)) placements.set(inode, place(inode, allocator));
  for (const inode of inodes) if (isLate(inode)) placements.set(inode, place(inode, allocator));
  const usedBlocks = geometry.regions.reduce((sum, { count }) => sum + count, allocator.allocated);
  return { geometry, placements, cursor: allocator.cursor, usedBlocks };
}

function place({ content, xattrs, path }: PlannedInode, allocator: Allocator): Placement {
  const extents = runsOf(content).flatMap(({ start, count }) => allocator.allocate(start, count));
  const tree = allocator.allocateBlocks(extentTreeBlocks(extents.length, path));
  const [xattrBlock = 0] = allocator.allocateBlocks(xattrs.kind === "block" ? 1 : 0);
  return { extents, tree, xattrBlock };
}

function runsOf(content: Content): readonly { start: number; count: number }[] {
  switch (content.kind) {
    case "inline":
      return [];
    case "directory":
    case "journal":
    case "descriptor-map":
      return [{ start: 0, count: content.blocks }];
    case "data":
      return content.runs;
    default:
      return content satisfies never;
  }
}

function planInode(inode: ScannedInode, hashSeed: Uint32Array): PlannedInode {
  const { number, path, links, node, directory } = inode;
  return {
    number,
    path,
    links: directory !== undefined && links > maxLinks ? uncountedLinks : links,
    mode: inodeMode(node, path),
    uid: node.uid,
    gid: node.gid,
    mtimeSeconds: node.mtimeSeconds,
    parent: directory?.parent ?? 0,
    content: contentOf(inode, hashSeed),
    xattrs: encodeXattrs(node.xattrs, path),
  };
}

/** The UUID (RFC 9562, version 8: made by our own rule) and the seed of directory hashes. */
function deriveIdentity(seed: Uint8Array): [uuid: Uint8Array, hashSeed: Uint32Array] {
  const bytes = Uint8Array.from(createHash("sha256").update("kelpie ext4 identity\0").update(seed).digest());
  const view = new DataView(bytes.buffer);
  view.setUint8(6, (view.getUint8(6) & 0x0f) | 0x80);
  view.setUint8(8, (view.getUint8(8) & 0x3f) | 0x80);
  return [bytes.slice(0, 16), Uint32Array.from([16, 20, 24, 28], (at) => view.getUint32(at, true))];
}
