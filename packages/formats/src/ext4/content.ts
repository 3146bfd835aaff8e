// What an inode holds, and how many blocks that takes: known from sizes alone, before anything is read.

import { KelpieError } from "@kelpie/platform";
import { type ByteSource, bytesSource } from "../byte-source.ts";
import { blockBytes, inodeBlockBytes, inodeNumber, maxFileBlocks, maxSymlinkBytes } from "./constants.ts";
import { type DirectoryLayout, layOutDirectory } from "./directory.ts";
import { encodeDevice } from "./inode.ts";
import type { ScannedInode } from "./scan.ts";

/** `count` blocks of a file from its block `start` on. */
export interface BlockRun {
  readonly start: number;
  readonly count: number;
}

/** What stands behind an inode. */
export type Content =
  /** Nothing outside the inode: `block` is its i_block. */
  | { readonly kind: "inline"; readonly block: Uint8Array; readonly sizeBytes: number }
  | { readonly kind: "directory"; readonly layout: DirectoryLayout }
  | { readonly kind: "data"; readonly source: ByteSource }
  | { readonly kind: "journal"; readonly blocks: number }
  /** The map of the reserved descriptor blocks: the only file that is not in extents. */
  | { readonly kind: "descriptor-map" };

/** i_size. */
export function sizeOf(content: Content): number {
  switch (content.kind) {
    case "inline":
      return content.sizeBytes;
    case "directory":
      return content.layout.blocks * blockBytes;
    case "data":
      return content.source.sizeBytes;
    case "journal":
      return content.blocks * blockBytes;
    case "descriptor-map":
      return descriptorMapBytes;
    default:
      return content satisfies never;
  }
}

/** Which blocks of the file are on the disk; the others are holes. Ascending, and apart from each other. */
export function runsOf(content: Content): readonly BlockRun[] {
  switch (content.kind) {
    case "inline":
      return [];
    case "directory":
      return [{ start: 0, count: content.layout.blocks }];
    case "data":
      return dataRuns(content.source);
    case "journal":
      return [{ start: 0, count: content.blocks }];
    case "descriptor-map":
      return [{ start: 0, count: 1 }];
    default:
      return content satisfies never;
  }
}

/** As mke2fs makes it: room for e2fsck to put names without having to allocate. */
const lostAndFoundBlocks = 4;
function dataRuns({ sizeBytes, dataRanges }: ByteSource): readonly BlockRun[] {
  const all = Math.ceil(sizeBytes / blockBytes);
  if (dataRanges === undefined) return all === 0 ? [] : [{ start: 0, count: all }];
  const runs: { start: number; count: number }[] = [];
  for (const range of dataRanges) {
    const start = Math.floor(range.start / blockBytes);
    const end = Math.ceil(range.end / blockBytes);
    const last = runs.at(-1);
    if (last !== undefined && start <= last.start + last.count) last.count = end - last.start;
    else runs.push({ start, count: end - start });
  }
  return runs;
}

/** As large as its pointers, 12 direct and two levels of indirect ones, could make it: what resize2fs expects. */
const descriptorMapBytes = (12 + blockBytes / 4 + (blockBytes / 4) ** 2) * blockBytes;
const noBlock = new Uint8Array(0);

/**
 * Decides what `inode` takes.
 *
 * @throws KelpieError `invalid-input` or `limit-exceeded` for what ext4 cannot hold.
 */
export function contentOf(inode: ScannedInode, hashSeed: Uint32Array): Content {
  const { node, path } = inode;
  switch (node.kind) {
    case "directory": {
      const minBlocks = inode.number === inodeNumber.lostAndFound ? lostAndFoundBlocks : 1;
      const layout = layOutDirectory(inode.entries ?? [], hashSeed, minBlocks, path);
      return { kind: "directory", layout };
    }
    case "file":
      return fileContent(node.content, path);
    case "symlink":
      return symlinkContent(node.target, path);
    case "character-device":
    case "block-device":
      return { kind: "inline", block: encodeDevice(node), sizeBytes: 0 };
    case "fifo":
    case "socket":
      return { kind: "inline", block: noBlock, sizeBytes: 0 };
    default:
      return node satisfies never;
  }
}

function fileContent(source: ByteSource, path: string): Content {
  const { sizeBytes } = source;
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || sizeBytes > maxFileBlocks * blockBytes) {
    throw new KelpieError("limit-exceeded", "A file has a size that ext4 cannot hold", {
      expected: `0 to ${maxFileBlocks * blockBytes} bytes`,
      found: String(sizeBytes),
      where: path,
    });
  }
  checkRanges(source, path);
  return { kind: "data", source };
}

function checkRanges({ sizeBytes, dataRanges = [] }: ByteSource, path: string): void {
  let previous = 0;
  for (const { start, end } of dataRanges) {
    if (
      !Number.isSafeInteger(start) ||
      !Number.isSafeInteger(end) ||
      start < previous ||
      end <= start ||
      end > sizeBytes
    ) {
      throw new KelpieError("malformed", "The data ranges of a sparse file are not well-formed", {
        expected: `ascending ranges within ${sizeBytes} bytes`,
        found: `${start} to ${end} after ${previous}`,
        where: path,
      });
    }
    previous = end;
  }
}

function symlinkContent(target: string, path: string): Content {
  const bytes = new TextEncoder().encode(target);
  if (bytes.length === 0 || bytes.length > maxSymlinkBytes || bytes.includes(0) || !target.isWellFormed()) {
    throw new KelpieError("invalid-input", "ext4 cannot hold this symlink's target", {
      expected: `1 to ${maxSymlinkBytes} bytes of well-formed Unicode without NUL`,
      found: `${bytes.length} bytes`,
      where: path,
    });
  }
  if (bytes.length < inodeBlockBytes) return { kind: "inline", block: bytes, sizeBytes: bytes.length };
  return { kind: "data", source: bytesSource(bytes) };
}
