// POSIX ACLs: user space (and so archives) and ext4's disk write them differently.

import { KelpieError } from "@kelpie/platform";

const userSpaceVersion = 2;
const diskVersion = 1;
const headerBytes = 4;
const userSpaceEntryBytes = 8;
/** ACL_USER and ACL_GROUP: the tags whose entries name an id. */
const namedTags: readonly number[] = [0x02, 0x08];
/** ACL_USER_OBJ, ACL_GROUP_OBJ, ACL_MASK, ACL_OTHER. */
const unnamedTags: readonly number[] = [0x01, 0x04, 0x10, 0x20];

/**
 * The disk's form of the value of `system.posix_acl_access` or `_default` as getxattr(2) gives it.
 *
 * @throws KelpieError `malformed`
 */
export function encodeAcl(value: Uint8Array, where: string): Uint8Array {
  const source = new DataView(value.buffer, value.byteOffset, value.length);
  const entries = (value.length - headerBytes) / userSpaceEntryBytes;
  if (!Number.isInteger(entries) || entries < 0 || source.getUint32(0, true) !== userSpaceVersion)
    throw malformed(where, "version 2 and entries of 8 bytes", `${value.length} bytes`);
  const disk = new Uint8Array(value.length);
  const view = new DataView(disk.buffer);
  view.setUint32(0, diskVersion, true);
  let at = headerBytes;
  for (let index = 0; index < entries; index += 1) {
    const from = headerBytes + index * userSpaceEntryBytes;
    const tag = source.getUint16(from, true);
    view.setUint16(at, tag, true);
    view.setUint16(at + 2, source.getUint16(from + 2, true), true);
    at += 4;
    if (namedTags.includes(tag)) {
      view.setUint32(at, source.getUint32(from + 4, true), true);
      at += 4;
    } else if (!unnamedTags.includes(tag)) {
      throw malformed(where, "a known tag", `0x${tag.toString(16)}`);
    }
  }
  return disk.slice(0, at);
}

/**
 * The value as getxattr(2) gives it, of an ACL as the disk holds it.
 *
 * @throws KelpieError `malformed`
 */
export function decodeAcl(disk: Uint8Array, where: string): Uint8Array {
  const source = new DataView(disk.buffer, disk.byteOffset, disk.length);
  if (disk.length < headerBytes || source.getUint32(0, true) !== diskVersion)
    throw malformed(where, "version 1", `${disk.length} bytes`);
  // The disk's entries have 4 or 8 bytes, user space's always 8.
  const value = new Uint8Array(headerBytes + (disk.length - headerBytes) * 2);
  const view = new DataView(value.buffer);
  view.setUint32(0, userSpaceVersion, true);
  let to = headerBytes;
  for (let at = headerBytes; at < disk.length; to += userSpaceEntryBytes) {
    const named = at + 4 <= disk.length && namedTags.includes(source.getUint16(at, true));
    const sizeBytes = named ? 8 : 4;
    if (at + sizeBytes > disk.length) throw malformed(where, "whole entries", `${disk.length} bytes`);
    const tag = source.getUint16(at, true);
    if (!named && !unnamedTags.includes(tag)) throw malformed(where, "a known tag", `0x${tag.toString(16)}`);
    view.setUint16(to, tag, true);
    view.setUint16(to + 2, source.getUint16(at + 2, true), true);
    view.setUint32(to + 4, named ? source.getUint32(at + 4, true) : 0xffffffff, true);
    at += sizeBytes;
  }
  return value.slice(0, to);
}

function malformed(where: string, expected: string, found: string): KelpieError {
  return new KelpieError("malformed", "A POSIX ACL is not well-formed", { expected, found, where });
}
