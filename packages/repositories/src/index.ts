// Package sources: Alpine and Debian repositories, verified, resolved, fetched and cached.

export { type DownloadRequest, downloadVerified } from "./download.ts";
export type { Ecosystem, PackageArchive, PackageRepository, Resolution, ResolvedPackage } from "./package.ts";
export { type DebianThroughAptOptions, openDebianThroughApt } from "./debian/apt/through-apt.ts";
export type { DebianArchive, DebianRepository, DebianResolveOptions } from "./debian/repository.ts";
