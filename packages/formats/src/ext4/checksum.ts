// Where each metadata checksum of ext4 starts from (feature metadata_csum).

import { crc32cUpdate } from "../checksum/crc32c.ts";

/** The start of every checksum of a file system: that of its UUID. */
export function fileSystemSeed(uuid: Uint8Array): number {
  return crc32cUpdate(0xffffffff, uuid);
}

/** Carries `register` over a 32-bit number as it lies on disk. */
export function crc32cOfNumber(register: number, value: number): number {
  new DataView(scratch.buffer).setUint32(0, value, true);
  return crc32cUpdate(register, scratch);
}

/** The start of the checksums of an inode and of its directory and extent blocks. */
export function inodeSeed(seed: number, inode: number, generation: number): number {
  return crc32cOfNumber(crc32cOfNumber(seed, inode), generation);
}

const scratch = new Uint8Array(4);
