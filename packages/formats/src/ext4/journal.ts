// An empty journal (kernel documentation, "Journal (jbd2)"): its superblock, after which all is zero. Big-endian.

import { crc32cUpdate } from "../checksum/crc32c.ts";
import { blockBytes } from "./constants.ts";

const magic = 0xc03b3998;
const superblockVersion2 = 4;
const superblockBytes = 1024;
/** Block numbers of 64 bits and checksums of version 3: what the kernel would choose for such a file system. */
const incompatFeatures = 0x2 | 0x10;
const crc32cType = 4;

/** The first block of a journal of `blocks` blocks. */
export function encodeJournalSuperblock(blocks: number, uuid: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(blockBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0x00, magic);
  view.setUint32(0x04, superblockVersion2);
  view.setUint32(0x0c, blockBytes);
  view.setUint32(0x10, blocks);
  view.setUint32(0x14, 1); // the first block of the log
  view.setUint32(0x18, 1); // the first transaction's number; none has begun
  view.setUint32(0x28, incompatFeatures);
  bytes.set(uuid, 0x30);
  view.setUint32(0x40, 1); // file systems that use it
  view.setUint8(0x50, crc32cType);
  view.setUint32(0xfc, crc32cUpdate(0xffffffff, bytes, 0, superblockBytes));
  return bytes;
}
