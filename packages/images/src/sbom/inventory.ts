// What an image is made of, as one value that both bills of materials are written from.

import type { Architecture } from "@kelpie/platform";
import type { ImageFile, ImageMetadata } from "../metadata/image-metadata.ts";
import type { License } from "./license.ts";

/** A file's digests, in hexadecimal. SPDX 2.3 demands the SHA-1; nothing else relies on it. */
export interface ContentDigests {
  readonly sha1: string;
  readonly sha256: string;
}

/** A regular file of the root file system. */
export interface InventoryFile extends ContentDigests {
  /** From the root, with a leading slash. */
  readonly path: string;
  readonly sizeBytes: number;
  /** The name of the package or program that it belongs to. */
  readonly owner: string | undefined;
}

/** A distribution's package. */
export interface InventoryPackage {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  /** What the archive states; undefined where it states nothing that a program can read. */
  readonly license: License | undefined;
  /** Who publishes it: "Alpine Linux". */
  readonly supplier: string;
  /** The source package. */
  readonly source: string | undefined;
  /** A public URL of the archive. */
  readonly location: string | undefined;
  /** Of the archive, in hexadecimal, where that is known: the packages of a base tarball are not archives any more. */
  readonly sha256: string | undefined;
  /** What the distribution's signed index knows it by, where that is no digest of the archive: "Q1…". */
  readonly identity: string | undefined;
}

/** A Rust crate that a program is compiled from, or that compiles it. */
export interface InventoryCrate {
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly sha256: string;
}

/** A program of Kelpie's own in the image. */
export interface InventoryProgram {
  readonly name: string;
  readonly version: string;
  /** Where it stands in the root file system. */
  readonly path: string;
  readonly sha256: string;
  /** All that Cargo.lock says it needs, for building too. */
  readonly crates: readonly InventoryCrate[];
}

export interface Inventory {
  readonly image: Pick<
    ImageMetadata,
    "name" | "version" | "architecture" | "buildDate" | "gitSha" | "planSha256" | "distribution"
  > & { readonly architecture: Architecture };
  readonly files: readonly ImageFile[];
  readonly packages: readonly InventoryPackage[];
  readonly kernel: {
    /** What `uname -r` prints. */
    readonly release: string;
    /** Undefined for a kernel that comes from no package. */
    readonly package: InventoryPackage | undefined;
  };
  readonly programs: readonly InventoryProgram[];
  /** In the order of their paths' bytes. */
  readonly contents: readonly InventoryFile[];
}
