// A Debian repository as the builder sees it, whether apt or Kelpie's own client stands behind it.

import type { PackageArchive, PackageRepository, Resolution, ResolvedPackage } from "../package.ts";
import type { Stanza } from "./deb822.ts";

/** How a world is resolved. */
export interface DebianResolveOptions {
  /**
   * Packages (by name) taken as already installed, whatever their version, with all that they provide: what depends on
   * them is satisfied, and they are left out. For images without `debconf` or `perl-base`.
   */
  readonly assume?: readonly string[];
}

/** A fetched .deb: verified, its control part in memory, its files in the cache. */
export interface DebianArchive extends PackageArchive {
  /** The control file's stanza, as the package carries it. */
  readonly control: Stanza;
  /** All other members of the control part (md5sums, conffiles, triggers, shlibs, postinst, …) by name, as text. */
  readonly controlFiles: ReadonlyMap<string, string>;
}

/** A verified Debian repository for one architecture. */
export interface DebianRepository extends PackageRepository {
  readonly ecosystem: "debian";
  /** `apt` if the host's apt verifies and downloads, `mirror` if Kelpie's own client does. */
  readonly through: "apt" | "mirror";
  /** For a person: which indexes these are ("https://mirror.example/debian bookworm/main arm64, …"). */
  readonly description: string;
  /**
   * The packages that `world` needs. An item is a dependency as a control file writes it ("bash", "libc6 (>= 2.36)",
   * "mawk | gawk"), or "name=version". Recommends and Essential are not followed.
   *
   * @throws KelpieError `unresolvable`, with the chain of reasons; `invalid-input` for an item that cannot be read.
   */
  resolve(world: readonly string[], options?: DebianResolveOptions): Resolution;
  /**
   * The newest package that satisfies one item ("linux-source-6.1", "rustc-web (>= 1.78)") by its own name, without what
   * it depends on: for tools and kernels that are unpacked, not installed.
   *
   * @throws KelpieError `not-found`, `invalid-input`.
   */
  find(item: string): ResolvedPackage;
  fetch(chosen: ResolvedPackage, signal?: AbortSignal): Promise<DebianArchive>;
  /** As `fetch` of each, a few at a time, in the same order. */
  fetchAll(chosen: readonly ResolvedPackage[], signal?: AbortSignal): Promise<DebianArchive[]>;
  /** Downloads (or takes from the cache) and verifies, and returns where the .deb itself lies in the cache. */
  download(chosen: ResolvedPackage, signal?: AbortSignal): Promise<string>;
}
