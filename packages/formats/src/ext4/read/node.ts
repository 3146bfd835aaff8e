// From an inode on the disk to a node of a tree.

import type { DeviceNode, NodeMetadata, TreeNode } from "../../tree/node.ts";
import { inodeBlockBytes, inodeFlag } from "../constants.ts";
import { type Disk, malformed, unsupported } from "./disk.ts";
import { readExtents } from "./extents.ts";
import { extentSource } from "./file-content.ts";
import type { RawInode } from "./inode.ts";
import type { Superblock } from "./superblock.ts";
import { readXattrs } from "./xattrs.ts";

/** Content inside the inode, or encrypted: other ways to keep it than this reader knows. */
const unknownFlags = 0x10000000 | 0x800;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** @throws KelpieError `malformed` or `unsupported`. */
export async function readNode(disk: Disk, superblock: Superblock, inode: RawInode): Promise<TreeNode> {
  if ((inode.flags & unknownFlags) !== 0)
    throw unsupported(disk, `Inode ${inode.number} cannot be read`, `flags 0x${inode.flags.toString(16)}`);
  const xattrs = await readXattrs(disk, superblock, inode);
  const { uid, gid, mtimeSeconds } = inode;
  const metadata: NodeMetadata = {
    mode: inode.mode & 0o7777,
    uid,
    gid,
    mtimeSeconds,
    ...(xattrs === undefined ? {} : { xattrs }),
  };
  switch (inode.mode >>> 12) {
    case 0o01:
      return { ...metadata, kind: "fifo" };
    case 0o02:
      return { ...metadata, kind: "character-device", ...deviceOf(inode) };
    case 0o04:
      return { ...metadata, kind: "directory" };
    case 0o06:
      return { ...metadata, kind: "block-device", ...deviceOf(inode) };
    case 0o10: {
      const extents = await readExtents(disk, superblock, inode);
      return {
        ...metadata,
        kind: "file",
        content: extentSource(disk, superblock.blockBytes, extents, inode.sizeBytes),
      };
    }
    case 0o12:
      return { ...metadata, kind: "symlink", target: await readTarget(disk, superblock, inode) };
    case 0o14:
      return { ...metadata, kind: "socket" };
    default:
      throw malformed(
        disk,
        `Inode ${inode.number} has no known kind`,
        "a file or the like",
        `0${inode.mode.toString(8)}`,
      );
  }
}

function deviceOf({ block }: RawInode): Pick<DeviceNode, "major" | "minor"> {
  const view = new DataView(block.buffer, block.byteOffset, block.length);
  const old = view.getUint32(0, true);
  if (old !== 0) return { major: (old >>> 8) & 0xff, minor: old & 0xff };
  const wide = view.getUint32(4, true);
  return { major: (wide >>> 8) & 0xfff, minor: (wide & 0xff) | ((wide >>> 20) << 8) };
}

async function readTarget(disk: Disk, superblock: Superblock, inode: RawInode): Promise<string> {
  const { sizeBytes, number } = inode;
  const what = `The target of symlink ${number} is not well-formed`;
  if (sizeBytes === 0 || sizeBytes >= superblock.blockBytes)
    throw malformed(disk, what, `1 to ${superblock.blockBytes - 1} bytes`, String(sizeBytes));
  const isInside = sizeBytes < inodeBlockBytes && (inode.flags & inodeFlag.extents) === 0;
  const bytes = isInside ? inode.block.slice(0, sizeBytes) : new Uint8Array(sizeBytes);
  if (!isInside) {
    const extents = await readExtents(disk, superblock, inode);
    await extentSource(disk, superblock.blockBytes, extents, sizeBytes).readInto?.(bytes, 0);
  }
  if (bytes.includes(0)) throw malformed(disk, what, "no NUL", "one");
  try {
    return decoder.decode(bytes);
  } catch {
    throw unsupported(
      disk,
      `The target of symlink ${number} is not UTF-8`,
      Buffer.from(bytes).toString("hex"),
    );
  }
}
