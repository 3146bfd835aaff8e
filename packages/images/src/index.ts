// An image: spec, plan, root file system, kernel, initrd, store, versions.

export { type GuestBinaries, guestBinaries, type GuestBinariesOptions } from "./guest/guest-binaries.ts";
export { type InitrdParts, initrdTree, writeInitrd } from "./initrd/initrd.ts";
export type { GuestKernel, GuestModule, ModuleCondition, ModuleLine } from "./kernel/guest-kernel.ts";
export { type KernelFiles, kernelFromFiles, readGuestKernel } from "./kernel/read-guest-kernel.ts";
export {
  type ImageFileName,
  imageFileNames,
  type ImageMetadata,
  parseImageMetadata,
  serializeImageMetadata,
} from "./metadata/image-metadata.ts";
export type { BrokenImage } from "./store/cache-index.ts";
export { imageFile, ImageStore, type StoredImage, type StoreListing } from "./store/image-store.ts";
export { imageDirectoryName, parseImageDirectoryName } from "./store/layout.ts";
export { findImage } from "./store/reference.ts";
export { type Compatibility, restoreCompatibility } from "./version/compatibility.ts";
export {
  compareImageVersions,
  formatImageVersion,
  type ImageVersion,
  imageVersion,
  parseImageVersion,
  parseReleaseVersion,
  type ReleaseVersion,
  tryParseImageVersion,
} from "./version/image-version.ts";
export { type SourceIdentity, sourceIdentity } from "./version/source-identity.ts";
