// Writes cpio archives in the "newc" format, as the kernel's initramfs takes it; the same bytes for the same entries.

import { KelpieError } from "@kelpie/platform";
import type { ByteSink } from "../byte-sink.ts";
import { BlockWriter } from "../stream/block-writer.ts";
import type { TreeEntry } from "../tree/file-tree.ts";
import type { FileNode, TreeNode } from "../tree/node.ts";
import { encodeNewc, trailerName, typeBits } from "./newc-header.ts";

const alignment = 4;
const archiveAlignment = 512;

export interface WriteCpioOptions {
  /** Replaces every entry's time, in seconds since the epoch. */
  readonly mtimeSeconds?: number;
}

/** The names of a file that has several. */
interface Links {
  inode: number;
  count: number;
  left: number;
}

/**
 * Writes `entries` in their order, the trailer, and zeros up to a multiple of 512. The root is left out. Inode numbers
 * count from 1; the content of a file with several names stands at its last. Extended attributes have no place in a cpio.
 *
 * @throws KelpieError `limit-exceeded` for a file of 4 GiB or more, or a number that 32 bits do not hold.
 */
export async function writeCpio(
  entries: Iterable<TreeEntry>,
  sink: ByteSink,
  options: WriteCpioOptions = {},
): Promise<void> {
  const writer = new BlockWriter(sink);
  const listed = [...entries].filter(({ path }) => path !== "");
  const links = countLinks(listed);
  let lastInode = 0;
  for (const { path, node } of listed) {
    const link = node.kind === "file" ? links.get(node) : undefined;
    const inode = link === undefined || link.inode === 0 ? (lastInode += 1) : link.inode;
    if (link !== undefined) {
      link.inode = inode;
      link.left -= 1;
    }
    await writeEntry(writer, path, node, { inode, count: link?.count ?? 1, left: link?.left ?? 0 }, options);
  }
  await writer.write(encodeNewc({ ...emptyFields, linkCount: 1 }, trailerName));
  await writer.align(archiveAlignment);
  await writer.flush();
}

const emptyFields = { inode: 0, mode: 0, uid: 0, gid: 0, mtimeSeconds: 0, sizeBytes: 0, major: 0, minor: 0 };

function countLinks(entries: readonly TreeEntry[]): Map<FileNode, Links> {
  const links = new Map<FileNode, Links>();
  for (const { node } of entries) {
    if (node.kind !== "file") continue;
    const known = links.get(node);
    if (known === undefined) {
      links.set(node, { inode: 0, count: 1, left: 1 });
    } else {
      known.count += 1;
      known.left += 1;
    }
  }
  return links;
}

async function writeEntry(
  writer: BlockWriter,
  path: string,
  node: TreeNode,
  { inode, count, left }: Links,
  options: WriteCpioOptions,
): Promise<void> {
  const target = node.kind === "symlink" ? Buffer.from(node.target) : undefined;
  // Extractors give a file its content at the last of its names, and wait for it until then.
  const content = node.kind === "file" && left === 0 ? node.content : undefined;
  const isDevice = node.kind === "character-device" || node.kind === "block-device";
  const fields = {
    inode,
    mode: typeBits[node.kind] | node.mode,
    uid: node.uid,
    gid: node.gid,
    linkCount: node.kind === "directory" ? 2 : count,
    mtimeSeconds: options.mtimeSeconds ?? node.mtimeSeconds,
    sizeBytes: content?.sizeBytes ?? target?.length ?? 0,
    major: isDevice ? node.major : 0,
    minor: isDevice ? node.minor : 0,
  };
  if (path === trailerName) {
    throw new KelpieError("unsupported", "A cpio archive cannot hold a file of this name", { found: path });
  }
  await writer.write(encodeNewc(fields, path));
  await writer.align(alignment);
  if (target !== undefined) await writer.write(target);
  if (content !== undefined) await writer.content(content, path);
  await writer.align(alignment);
}
