// The numbers of the ext4 on-disk format that the writer and the reader share (kernel documentation, "ext4 Data
// Structures and Algorithms"), and the geometry that the writer always uses.

/** The writer's block size: the page size of both architectures, and the only one that every kernel mounts. */
export const blockBytes = 4096;
/** A block bitmap is one block, so a group has as many blocks as a block has bits. */
export const blocksPerGroup = blockBytes * 8;
/** Large enough for nanosecond times, a checksum and small extended attributes. */
export const inodeBytes = 256;
export const inodesPerBlock = blockBytes / inodeBytes;
/** One inode bitmap is one block too. */
export const maxInodesPerGroup = blockBytes * 8;
/** Fields after the first 128 bytes of an inode, up to and with i_projid. */
export const extraInodeBytes = 32;
/** With the feature 64bit: wide block numbers, and whole checksums of the bitmaps. */
export const descriptorBytes = 64;
export const descriptorsPerBlock = blockBytes / descriptorBytes;
/** Groups whose bitmaps and inode tables lie together. */
export const groupsPerFlex = 16;
/** The resize inode maps reserved descriptor blocks through one indirect block of 32-bit numbers. */
export const maxDescriptorBlocks = blockBytes / 4;
/** So that the resize inode can reach every descriptor block. */
export const maxFileSystemBytes = maxDescriptorBlocks * descriptorsPerBlock * blocksPerGroup * blockBytes;

export const superblockMagic = 0xef53;
export const superblockOffset = 1024;
export const superblockBytes = 1024;
export const extentMagic = 0xf30a;
export const xattrMagic = 0xea020000;

export const inodeNumber = {
  root: 2,
  resize: 7,
  journal: 8,
  /** lost+found has it by custom, and it is the first that is not reserved. */
  lostAndFound: 11,
} as const;

export const compatFeature = {
  hasJournal: 0x4,
  extAttr: 0x8,
  resizeInode: 0x10,
  dirIndex: 0x20,
} as const;

export const incompatFeature = {
  fileType: 0x2,
  recover: 0x4,
  metaBlockGroups: 0x10,
  extents: 0x40,
  wide: 0x80,
  flexGroups: 0x200,
  checksumSeed: 0x2000,
} as const;

export const roCompatFeature = {
  sparseSuper: 0x1,
  largeFile: 0x2,
  hugeFile: 0x8,
  dirNlink: 0x20,
  extraInodeSize: 0x40,
  metadataChecksum: 0x400,
} as const;

export const inodeFlag = {
  /** The directory has a hash tree. */
  index: 0x1000,
  /** i_blocks counts blocks, not sectors. */
  hugeFile: 0x40000,
  extents: 0x80000,
} as const;

export const groupFlag = {
  inodesUninitialized: 0x1,
  blocksUninitialized: 0x2,
  /** Nothing of the inode table is left for the kernel to clear in the background. */
  inodeTableZeroed: 0x4,
} as const;

/** Where fields stand in the last 128 bytes of an inode, and where its attributes begin. */
export const inodeXattrOffset = 128 + extraInodeBytes;
/** Bytes of i_block: four extents, or a short symlink's target. */
export const inodeBlockBytes = 60;
export const maxNameBytes = 255;
export const maxLinks = 65_000;
/** A target must leave room for the NUL that the kernel adds to it in a block. */
export const maxSymlinkBytes = blockBytes - 1;
/** An extent's length field keeps its highest bit for "unwritten". */
export const maxExtentBlocks = 32_768;
/** Logical block numbers have 32 bits, and the last is never used. */
export const maxFileBlocks = 0xffffffff;
