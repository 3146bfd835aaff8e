// Bytes: archives, file systems and executables; pure, streaming, bounded, deterministic.

export { type ByteSink, MemorySink } from "./byte-sink.ts";
export { type ByteSource, bytesSource, textSource } from "./byte-source.ts";
export { FileTree, type TreeEntry } from "./tree/file-tree.ts";
export type {
  DeviceNode,
  DirectoryNode,
  FileNode,
  NodeMetadata,
  SpecialNode,
  SymlinkNode,
  TreeNode,
} from "./tree/node.ts";
export { baseName, normalizePath, parentPath } from "./tree/path.ts";
