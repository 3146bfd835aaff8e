// What a package is to the builder, whichever distribution it comes from.

import type { TreeEntry } from "@kelpie/formats";
import type { Architecture } from "@kelpie/platform";

export type Ecosystem = "alpine" | "debian";

/** A package that a resolver has chosen: everything a lock records about it. */
export interface ResolvedPackage {
  readonly ecosystem: Ecosystem;
  readonly name: string;
  readonly version: string;
  /** Of the machine that it is for; a package for any architecture takes the image's. */
  readonly architecture: Architecture;
  /** Where it comes from, for a person and for provenance: a URL. */
  readonly location: string;
  readonly sizeBytes: number;
  /** The digest that the verified index states for the archive or its parts, as "sha256:…" or, for apk, "apk-c:…". */
  readonly digest: string;
  /** The source package, where the index says so. */
  readonly source?: string;
  readonly license?: string;
}

/** The outcome of resolving a world: packages in an order in which each follows what it depends on, where that is possible. */
export interface Resolution {
  readonly packages: readonly ResolvedPackage[];
  /** One line a package: why it is there ("depends: so:libc.musl-x86_64.so.1 of busybox"). */
  readonly reasons: ReadonlyMap<string, string>;
}

/** A fetched package, every byte of it verified. File contents stay in the cache until they are read. */
export interface PackageArchive {
  readonly package: ResolvedPackage;
  /** What it installs, in archive order. */
  readonly entries: readonly TreeEntry[];
  /** Maintainer scripts by their name in the archive (".pre-install", "postinst"): never run, only recognised. */
  readonly scripts: ReadonlyMap<string, string>;
  /** Files that belong to the administrator once installed (conffiles), as tree paths. */
  readonly configurationFiles: readonly string[];
}

/** A verified package repository of one distribution for one architecture. */
export interface PackageRepository {
  readonly ecosystem: Ecosystem;
  readonly architecture: Architecture;
  /** @throws KelpieError `unresolvable`, with the chain of reasons. */
  resolve(world: readonly string[]): Resolution;
  /** Downloads (or takes from the cache) and verifies. @throws `digest-mismatch`, `signature-invalid`, `unreachable`, `malformed`. */
  fetch(chosen: ResolvedPackage, signal?: AbortSignal): Promise<PackageArchive>;
}
