// The layout of a whole file system, decided before a byte is written: every inode numbered, every block placed.

import { createHash } from "node:crypto";
import { KelpieError } from "@kelpie/platform";
import type { FileTree } from "../tree/file-tree.ts";
import { fileSystemSeed } from "./checksum.ts";
import { blockBytes, maxLinks } from "./constants.ts";
import { contentOf } from "./content.ts";
import { type Geometry, type GeometryNeeds, layOutGroups, leastBlocks, usableBlocks } from "./geometry.ts";
import { checkNode } from "./inode.ts";
import { type Ext4Options, type ResolvedOptions, resolveOptions } from "./options.ts";
import { numberByRegion } from "./regions.ts";
import { type ScannedInode, scanTree } from "./scan.ts";
import { Placer } from "./placer.ts";
import type { PlannedInode } from "./planned-inode.ts";
import { descriptorMapInode, journalInode } from "./special-inodes.ts";
import { encodeXattrs } from "./xattrs.ts";

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
  const inTreeOrder = scanTree(tree, resolved.timestampSeconds);
  const { region } = options;
  const scanned = region === undefined ? inTreeOrder : numberByRegion(inTreeOrder, region);
  const { label, timestampSeconds, journalBlocks } = resolved;
  const inodes = [
    ...scanned.map((inode) => planInode(inode, hashSeed)),
    descriptorMapInode(timestampSeconds),
    ...(journalBlocks > 0 ? [journalInode(journalBlocks, timestampSeconds)] : []),
  ].sort((a, b) => a.number - b.number);
  const needs: GeometryNeeds = {
    inodes:
      (inodes.at(-1)?.number ?? 0) +
      Math.max(minFreeInodes, Math.ceil(resolved.freeBlocks / freeBlocksPerInode)),
    descriptorBlocks: resolved.descriptorBlocks,
  };
  const fitted =
    resolved.sizeBytes === undefined ? fit(inodes, needs, resolved) : fill(inodes, needs, resolved);
  const checksumSeed = fileSystemSeed(uuid);
  return { uuid, hashSeed, checksumSeed, label, timestampSeconds, journalBlocks, inodes, ...fitted };
}

type Fitted = Pick<Ext4Plan, "sizeBytes" | "geometry" | "cursor" | "usedBlocks">;

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
  const placer = Placer.over(geometry, inodes);
  for (const inode of inodes) placer.pass(inode);
  const { cursor, allocatedBlocks } = placer;
  const usedBlocks = geometry.regions.reduce((sum, { count }) => sum + count, allocatedBlocks);
  return { geometry, cursor, usedBlocks };
}

function planInode(inode: ScannedInode, hashSeed: Uint32Array): PlannedInode {
  const { number, path, node, links, parent, entries } = inode;
  checkNode(node, path);
  return {
    number,
    path,
    node,
    links: entries !== undefined && links > maxLinks ? uncountedLinks : links,
    parent,
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
