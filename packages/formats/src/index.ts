// Bytes: archives, file systems and executables; pure, streaming, bounded, deterministic.

export { type ByteSink, MemorySink } from "./byte-sink.ts";
export {
  type ByteRange,
  type ByteSource,
  bytesSource,
  type SeekableSource,
  textSource,
} from "./byte-source.ts";
export { type ArLimits, type ArMember, readAr } from "./ar/read-ar.ts";
export { type DecompressOptions, decompress } from "./compression/decompress.ts";
export type { DecompressionLimits } from "./compression/output-meter.ts";
export { type CompressionFormat, compressionFormat } from "./compression/format.ts";
export { gzip, gzipBytes } from "./compression/gzip.ts";
export { type GzipMember, type GzipMembersOptions, gzipMembers } from "./compression/gzip-members.ts";
export { type CpioEntry, type CpioLimits, readCpio } from "./cpio/read-cpio.ts";
export { type WriteCpioOptions, writeCpio } from "./cpio/write-cpio.ts";
export { type ExecutableInfo, readExecutable } from "./elf/executable.ts";
export { type ModuleInfo, readModuleInfo } from "./elf/module-info.ts";
export type { Ext4Options } from "./ext4/options.ts";
export { type Ext4Plan, planExt4 } from "./ext4/plan.ts";
export { type Ext4Contents, type ReadExt4Options, readExt4 } from "./ext4/read/read-ext4.ts";
export type { Ext4Summary } from "./ext4/summary.ts";
export { writeExt4 } from "./ext4/write.ts";
export { fileSource } from "./file-source.ts";
export { embeddedConfig } from "./kernel/embedded-config.ts";
export { identifyKernel } from "./kernel/identify.ts";
export type {
  Arm64Image,
  BzImage,
  CompressedKernel,
  ElfKernel,
  KernelImage,
  KernelPayload,
  ZbootImage,
} from "./kernel/kernel-image.ts";
export { extractVmlinux, maxKernelBytes, unwrapKernel } from "./kernel/unwrap.ts";
export { collect } from "./stream/collect.ts";
export { produced } from "./stream/produced.ts";
export { tee } from "./stream/tee.ts";
export { type ReadTarOptions, readTar, type TarLimits } from "./tar/read-tar.ts";
export { type SparsePiece, sparsePieces, withHoles } from "./tar/sparse.ts";
export type { TarEntry } from "./tar/tar-entry.ts";
export { type ContentAt, tarTreeEntries, treeFromTar } from "./tar/tree-from-tar.ts";
export { type TarSourceEntry, type WriteTarOptions, writeTar } from "./tar/write-tar.ts";
export { type FuzzOptions, type FuzzResult, fuzz } from "./testing/fuzz.ts";
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
export { bytewise } from "./tree/bytewise.ts";
export { escapeXml } from "./xml/escape-xml.ts";
export { isZero } from "./zeros.ts";
