// One inode as it lies in an inode table.

import { KelpieError } from "@kelpie/platform";
import { crc32cUpdate } from "../checksum/crc32c.ts";
import type { DeviceNode, TreeNode } from "../tree/node.ts";
import { extraInodeBytes, inodeBytes, inodeXattrOffset } from "./constants.ts";
import { maxSeconds, minSeconds } from "./options.ts";

/** What an inode says, in whole numbers; what it leaves out is zero. */
export interface InodeFields {
  /** Whose kind, permissions, owners and modification time it has. */
  readonly node: TreeNode;
  readonly links: number;
  readonly sizeBytes: number;
  /** All blocks that are its own, in 512-byte sectors. */
  readonly sectors: number;
  readonly flags: number;
  /** i_block: an extent tree's root, a short target or a device number. */
  readonly block: Uint8Array;
  /** Access, change and creation. */
  readonly otherTimesSeconds: number;
  /** The block of its extended attributes, or 0. */
  readonly xattrBlock: number;
  /** Extended attributes after its own fields. */
  readonly xattrs: Uint8Array | undefined;
}

const kindBits: Readonly<Record<TreeNode["kind"], number>> = {
  fifo: 0o010000,
  "character-device": 0o020000,
  directory: 0o040000,
  "block-device": 0o060000,
  file: 0o100000,
  symlink: 0o120000,
  socket: 0o140000,
};

const idLimit = 2 ** 32;

/** i_mode of `node`. */
function inodeMode(node: TreeNode): number {
  return kindBits[node.kind] | node.mode;
}

/** @throws KelpieError `invalid-input` for permissions, owners, times or device numbers out of range. */
export function checkNode(node: TreeNode, path: string): void {
  const check = (name: string, value: number, min: number, end: number): void => {
    if (Number.isSafeInteger(value) && value >= min && value < end) return;
    throw new KelpieError("invalid-input", `An inode of ext4 cannot have this ${name}`, {
      expected: `a whole number from ${min} to ${end - 1}`,
      found: String(value),
      where: path,
    });
  };
  check("mode", node.mode, 0, 0o10000);
  check("owner", node.uid, 0, idLimit);
  check("group", node.gid, 0, idLimit);
  check("mtime", node.mtimeSeconds, minSeconds, maxSeconds + 1);
  if (node.kind === "character-device" || node.kind === "block-device") {
    check("major number", node.major, 0, 2 ** 12);
    check("minor number", node.minor, 0, 2 ** 20);
  }
}

/** i_block of a device: the old 16-bit number where it fits, else the new 32-bit one after it. */
export function encodeDevice({ major, minor }: DeviceNode): Uint8Array {
  const block = new Uint8Array(8);
  const view = new DataView(block.buffer);
  if (major < 256 && minor < 256) view.setUint32(0, (major << 8) | minor, true);
  else view.setUint32(4, (minor & 0xff) | (major << 8) | ((minor >>> 8) << 20), true);
  return block;
}

/** Writes an inode into `table`, which is zero from `offset` on; `checksumSeed` is that of this inode. */
export function encodeInode(
  table: Uint8Array,
  offset: number,
  fields: InodeFields,
  checksumSeed: number,
): void {
  const view = new DataView(table.buffer, table.byteOffset + offset, inodeBytes);
  const { uid, gid, mtimeSeconds } = fields.node;
  view.setUint16(0x00, inodeMode(fields.node), true);
  view.setUint16(0x02, uid & 0xffff, true);
  view.setUint32(0x04, fields.sizeBytes % 2 ** 32, true);
  encodeTime(view, 0x08, 0x8c, fields.otherTimesSeconds);
  encodeTime(view, 0x0c, 0x84, fields.otherTimesSeconds);
  encodeTime(view, 0x10, 0x88, mtimeSeconds);
  view.setUint16(0x18, gid & 0xffff, true);
  view.setUint16(0x1a, fields.links, true);
  view.setUint32(0x1c, fields.sectors % 2 ** 32, true);
  view.setUint32(0x20, fields.flags, true);
  table.set(fields.block, offset + 0x28);
  view.setUint32(0x68, fields.xattrBlock % 2 ** 32, true);
  view.setUint32(0x6c, Math.floor(fields.sizeBytes / 2 ** 32), true);
  view.setUint16(0x74, Math.floor(fields.sectors / 2 ** 32), true);
  view.setUint16(0x76, Math.floor(fields.xattrBlock / 2 ** 32), true);
  view.setUint16(0x78, uid >>> 16, true);
  view.setUint16(0x7a, gid >>> 16, true);
  view.setUint16(0x80, extraInodeBytes, true);
  encodeTime(view, 0x90, 0x94, fields.otherTimesSeconds);
  if (fields.xattrs !== undefined) table.set(fields.xattrs, offset + inodeXattrOffset);
  const checksum = crc32cUpdate(checksumSeed, table, offset, offset + inodeBytes);
  view.setUint16(0x7c, checksum & 0xffff, true);
  view.setUint16(0x82, checksum >>> 16, true);
}

/** Seconds as a signed 32-bit number, and how often 2^32 must be added to it. */
function encodeTime(view: DataView, at: number, extraAt: number, seconds: number): void {
  const low = seconds | 0;
  view.setInt32(at, low, true);
  view.setUint32(extraAt, (seconds - low) / 2 ** 32, true);
}
