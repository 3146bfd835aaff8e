// The superblock: the first kilobyte of a file system after its boot sector, and the copies of it.

import { crc32cUpdate } from "../checksum/crc32c.ts";
import {
  blocksPerGroup,
  compatFeature,
  descriptorBytes,
  extraInodeBytes,
  groupsPerFlex,
  incompatFeature,
  inodeBytes,
  inodeNumber,
  roCompatFeature,
  superblockBytes,
  superblockMagic,
} from "./constants.ts";
import type { Ext4Plan } from "./plan.ts";

/** What the plan does not say. */
export interface SuperblockExtras {
  readonly freeBlocks: number;
  readonly freeInodes: number;
  /** Blocks that content can never have. */
  readonly overheadBlocks: number;
  /** i_block of the journal's inode, kept here too so that e2fsck can mend it; undefined without a journal. */
  readonly journalPointers: Uint8Array | undefined;
}

const logBlockSize = 2;
const neverCheckByMounts = 0xffff;
const stateClean = 1;
const onErrorContinue = 1;
const dynamicRevision = 1;
/** user_xattr and acl. */
const defaultMountOptions = 0xc;
const halfMd4 = 1;
const journalBackupInBlocks = 1;
/** Names are hashed as unsigned bytes: without a flag, each architecture would take its own char. */
const unsignedHash = 2;
const crc32cType = 1;
const journalPointerBytes = 60;

/** The superblock as `group` holds it. */
export function encodeSuperblock(plan: Ext4Plan, extras: SuperblockExtras, group: number): Uint8Array {
  const bytes = new Uint8Array(superblockBytes);
  const view = new DataView(bytes.buffer);
  const u16 = (at: number, value: number): void => view.setUint16(at, value, true);
  const u32 = (at: number, value: number): void => view.setUint32(at, value, true);
  const u64 = (low: number, high: number, value: number): void => {
    u32(low, value % 2 ** 32);
    u32(high, Math.floor(value / 2 ** 32));
  };
  const time = (at: number, highAt: number): void => {
    u32(at, plan.timestampSeconds % 2 ** 32);
    view.setUint8(highAt, Math.floor(plan.timestampSeconds / 2 ** 32));
  };
  const { geometry } = plan;

  u32(0x00, geometry.groups.length * geometry.inodesPerGroup);
  u64(0x04, 0x150, geometry.blocks);
  u64(0x0c, 0x158, extras.freeBlocks);
  u32(0x10, extras.freeInodes);
  u32(0x18, logBlockSize);
  u32(0x1c, logBlockSize);
  u32(0x20, blocksPerGroup);
  u32(0x24, blocksPerGroup);
  u32(0x28, geometry.inodesPerGroup);
  time(0x30, 0x274); // last written
  u16(0x36, neverCheckByMounts);
  u16(0x38, superblockMagic);
  u16(0x3a, stateClean);
  u16(0x3c, onErrorContinue);
  time(0x40, 0x277); // last checked
  u32(0x4c, dynamicRevision);
  u32(0x54, inodeNumber.lostAndFound);
  u16(0x58, inodeBytes);
  u16(0x5a, group);
  u32(0x5c, compatFeatures(plan));
  u32(
    0x60,
    incompatFeature.fileType | incompatFeature.extents | incompatFeature.wide | incompatFeature.flexGroups,
  );
  u32(
    0x64,
    Object.values(roCompatFeature).reduce((all, feature) => all | feature, 0),
  );
  bytes.set(plan.uuid, 0x68);
  bytes.set(plan.label, 0x78);
  u16(0xce, geometry.reservedDescriptorBlocks);
  for (const [index, word] of plan.hashSeed.entries()) u32(0xec + index * 4, word);
  view.setUint8(0xfc, halfMd4);
  u16(0xfe, descriptorBytes);
  u32(0x100, defaultMountOptions);
  time(0x108, 0x276); // made
  u16(0x15c, extraInodeBytes);
  u16(0x15e, extraInodeBytes);
  u32(0x160, unsignedHash);
  view.setUint8(0x174, Math.log2(groupsPerFlex));
  view.setUint8(0x175, crc32cType);
  u32(0x248, extras.overheadBlocks);
  if (extras.journalPointers !== undefined) {
    u32(0xe0, inodeNumber.journal);
    view.setUint8(0xfd, journalBackupInBlocks);
    bytes.set(extras.journalPointers, 0x10c);
    u32(0x10c + journalPointerBytes + 4, plan.journalBlocks * 2 ** (10 + logBlockSize));
  }
  u32(0x3fc, crc32cUpdate(0xffffffff, bytes, 0, 0x3fc));
  return bytes;
}

function compatFeatures(plan: Ext4Plan): number {
  const { hasJournal, extAttr, resizeInode, dirIndex } = compatFeature;
  return extAttr | resizeInode | dirIndex | (plan.journalBlocks > 0 ? hasJournal : 0);
}
