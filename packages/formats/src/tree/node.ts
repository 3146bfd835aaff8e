// The nodes of a file tree: what an inode holds, apart from its names.

import type { ByteSource } from "../byte-source.ts";

/** What every kind of node has. */
export interface NodeMetadata {
  /** Permission bits, setuid, setgid and sticky included: 0o0000 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Whole seconds since the Unix epoch. */
  readonly mtimeSeconds: number;
  /** Full attribute names ("security.capability", "user.x") to values; absent means none. */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

/** A regular file. Two entries that hold the same FileNode object are hard links to one inode. */
export interface FileNode extends NodeMetadata {
  readonly kind: "file";
  readonly content: ByteSource;
}

export interface SymlinkNode extends NodeMetadata {
  readonly kind: "symlink";
  readonly target: string;
}

export interface DeviceNode extends NodeMetadata {
  readonly kind: "character-device" | "block-device";
  readonly major: number;
  readonly minor: number;
}

export interface SpecialNode extends NodeMetadata {
  readonly kind: "fifo" | "socket";
}

export interface DirectoryNode extends NodeMetadata {
  readonly kind: "directory";
}

/** Anything that an archive or a file system can hold. */
export type TreeNode = FileNode | SymlinkNode | DeviceNode | SpecialNode | DirectoryNode;
