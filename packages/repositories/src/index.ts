// Package sources: Alpine and Debian repositories, verified, resolved, fetched and cached.

export type { AlpineArchive } from "./alpine/archive.ts";
export {
  type AlpineBase,
  keptPackages,
  readAlpineBase,
  triggeredPackages,
} from "./alpine/base.ts";
export { installOver } from "./alpine/install-over.ts";
export { alpineDatabase, type InstalledState } from "./alpine/database.ts";
export {
  type InstalledFile,
  type InstalledPackage,
  type InstalledPath,
  readInstalled,
} from "./alpine/installed.ts";
export { type MergedPackages, mergePackages } from "./alpine/merge.ts";
export { type OwnerNumbers, withOwners } from "./alpine/owners.ts";
export {
  type AlpineOptions,
  type AlpineRepository,
  type AlpineSource,
  alpineMachines,
  openAlpineRepositories,
} from "./alpine/repository.ts";
export { archivePath } from "./archive-path.ts";
export { type DownloadRequest, downloadVerified } from "./download.ts";
export {
  type Attempt,
  defaultRetry,
  defaultTimeouts,
  type DownloadPlatform,
  type GuardedResponse,
  httpExchange,
  type HttpTimeouts,
  refusedStatus,
  type RetryPolicy,
  withRetries,
} from "./http-get.ts";
export type { Ecosystem, PackageArchive, PackageRepository, Resolution, ResolvedPackage } from "./package.ts";
export { type DebianThroughAptOptions, openDebianThroughApt } from "./debian/apt/through-apt.ts";
export { debianDatabase } from "./debian/database.ts";
export { mergeDebianPackages } from "./debian/merge.ts";
export { type DebianMirrorOptions, openDebianMirror } from "./debian/mirror/open-mirror.ts";
export {
  debianCache,
  type DebianCacheOptions,
  openDebian,
  type OpenDebianOptions,
} from "./debian/open-debian.ts";
export type { DebianArchive, DebianRepository, DebianResolveOptions } from "./debian/repository.ts";
