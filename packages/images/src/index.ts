// An image: spec, plan, root file system, kernel, initrd, store, versions.

export { buildImage, type BuildOptions, type BuiltImage, planImage } from "./build/build-image.ts";
export { type BuildPhase, buildPhases, type BuildProgress } from "./build/progress.ts";
export { type BuildServices, realServices } from "./build/services.ts";
export { type Attachment, attachments, maxAttachmentBytes } from "./attachments/attachments.ts";
export { readAttachment } from "./attachments/read-attachment.ts";
export { type PulledImage, pullImage, type PullOptions } from "./distribution/artifact/pull-image.ts";
export { type PushedImages, pushImages, type PushOptions } from "./distribution/artifact/push-image.ts";
export { loginFiles } from "./distribution/oci/credentials.ts";
export type { ImageForm } from "./distribution/artifact/image-index.ts";
export {
  type ContainerFormat,
  containerFormats,
  type ExportedContainer,
  exportContainer,
  type ExportContainerOptions,
} from "./distribution/container/export-container.ts";
export {
  formatReference,
  parseReference,
  parseRepository,
  type RegistryReference,
  type RepositoryName,
} from "./distribution/oci/reference.ts";
export { checkImage } from "./check/check-image.ts";
export type { Finding } from "./check/finding.ts";
export { type Change, diffImages, type ImageDiff } from "./diff/image-diff.ts";
export { type CacheVerdict, planCachePrune, pruneCache } from "./cache/prune-cache.ts";
export { downloadKeptMs, sweepDownloads } from "./cache/sweep-downloads.ts";
export type { TransferProgress } from "./distribution/progress.ts";
export {
  exportImage,
  type ExportedImage,
  type ExportOptions,
  releaseFileName,
} from "./distribution/release/export-image.ts";
export { importImage, type ImportOptions } from "./distribution/release/import-image.ts";
export {
  type DownloadedImage,
  downloadImage,
  type DownloadOptions,
} from "./distribution/source/download-image.ts";
export {
  ensureImage,
  type EnsuredImage,
  type EnsureOptions,
} from "./distribution/source/ensure-image.ts";
export { configuredSources, type ImageSource, parseSource } from "./distribution/source/source.ts";
export { type FileVerdict, verifyImage } from "./distribution/verify-image.ts";
export { type Effect, effectSchema } from "./effects/effect.ts";
export { type GuestBinaries, guestBinaries, type GuestBinariesOptions } from "./guest/guest-binaries.ts";
export { type InitrdParts, initrdTree, writeInitrd } from "./initrd/initrd.ts";
export type { GuestKernel, GuestModule, ModuleCondition, ModuleLine } from "./kernel/guest-kernel.ts";
export type { BuiltKernel } from "./kernel/build/built-kernel.ts";
export { cachedKelpieKernel, type KelpieKernelOptions, kelpieKernel } from "./kernel/build/kelpie-kernel.ts";
export { type VmmName, vmmNames, vmmsFor } from "./kernel/vmms.ts";
export { type KernelFiles, kernelFromFiles, readGuestKernel } from "./kernel/read-guest-kernel.ts";
export { bootKernel, kernelImages } from "./metadata/boot-kernel.ts";
export {
  type AttachmentName,
  attachmentNames,
  type ImageFile,
  type ImageFileName,
  imageFileNames,
  imageFiles,
  type ImageMetadata,
  imageMetadataSchema,
  parseImageMetadata,
  serializeImageMetadata,
} from "./metadata/image-metadata.ts";
export { type ImagePlan, type KernelPlan, planSha256, planText } from "./plan/image-plan.ts";
export {
  type ImageLock,
  type LockedImage,
  lockedFor,
  lockPath,
  lockPlan,
  lockText,
  maxLockBytes,
  parseLock,
} from "./plan/lock.ts";
export { rebuildImage, type Rebuilt } from "./plan/rebuild.ts";
export {
  buildFromVendored,
  type Keep,
  keepIn,
  type LockedBuild,
  type Vendored,
  vendoredLockPath,
  vendorImage,
  type VendorOptions,
} from "./vendor/vendor.ts";
export { fetchVendored, type VendoredPlace } from "./vendor/fetch-vendored.ts";
export { type KeptFile, pushVendored, writeVendoredLayout } from "./vendor/write-vendored.ts";
export { type Component, readComponents } from "./sbom/read-components.ts";
export {
  type Share,
  type SizeBreakdown,
  sizeBreakdown,
  type SizedFile,
  sizedFiles,
} from "./sizes/breakdown.ts";
export { imageTreemap } from "./sizes/image-treemap.ts";
export { type TreemapNode, treemapSvg } from "./sizes/treemap-svg.ts";
export type { ImageSpec, KernelSource } from "./spec/image-spec.ts";
export { specJsonSchema } from "./spec/json-schema.ts";
export { loadSpec, type SpecOverrides } from "./spec/load-spec.ts";
export { starterSpec } from "./spec/starter.ts";
export type { Signer } from "./distribution/artifact/signatures.ts";
export type { OnTrust, TrustVerdict } from "./trust/check-trust.ts";
export { Keyring, type StoredKey } from "./trust/keys.ts";
export type { BrokenImage } from "./store/cache-index.ts";
export { imageFile, ImageStore, type StoredImage, type StoreListing } from "./store/image-store.ts";
export type { ImageLease, LeaseOptions } from "./store/leases.ts";
export { type BootFiles, bootFiles } from "./store/boot-files.ts";
export { imageDirectoryName, parseImageDirectoryName } from "./store/layout.ts";
export {
  distinctBytes,
  planPrune,
  type PruneCandidate,
  type PrunePolicy,
  type PruneVerdict,
} from "./store/prune.ts";
export { defaultImageName, findImage } from "./store/reference.ts";
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
