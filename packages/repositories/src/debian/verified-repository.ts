// A Debian repository from its two halves: indexes that are verified, and a way to fetch an archive into the cache.

import { dirname, join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import type { ResolvedPackage } from "../package.ts";
import { readUnpacked, unpackDeb } from "./deb-archive.ts";
import { formatClause } from "./dependency.ts";
import { mapConcurrently } from "./map-concurrently.ts";
import { toResolved } from "./package.ts";
import { type IndexPart, PackageIndex } from "./package-index.ts";
import type { DebianArchive, DebianRepository } from "./repository.ts";
import { candidates, parseWorldItem, resolveWorld } from "./resolver.ts";

/** A .deb to fetch, and how to know it. */
export interface ArchiveRequest {
  readonly url: string;
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
  /** Where it must lie in the end, whole and verified; what lies there already may be right. */
  readonly path: string;
  readonly signal: AbortSignal | undefined;
}

export interface RepositoryParts {
  readonly platform: Pick<Platform, "files" | "host" | "random">;
  readonly through: DebianRepository["through"];
  readonly architecture: DebianRepository["architecture"];
  readonly indexes: readonly IndexPart[];
  /** Of all Debian repositories together: archives are named by their digests. */
  readonly cacheDirectory: string;
  readonly fetchArchive: (request: ArchiveRequest) => Promise<void>;
}

const concurrentFetches = 4;

export function verifiedRepository(parts: RepositoryParts): DebianRepository {
  const { platform, architecture, cacheDirectory, through } = parts;
  const index = new PackageIndex(parts.indexes, architecture);

  const download = async (chosen: ResolvedPackage, signal?: AbortSignal): Promise<string> => {
    const sha256 = digestOf(chosen);
    const path = join(cacheDirectory, debianArchivePath(chosen));
    await platform.files.makeDirectory(dirname(path));
    await parts.fetchArchive({ url: chosen.location, sizeBytes: chosen.sizeBytes, sha256, path, signal });
    return path;
  };

  const fetch = async (chosen: ResolvedPackage, signal?: AbortSignal): Promise<DebianArchive> => {
    const place = { directory: join(cacheDirectory, "unpacked"), sha256: digestOf(chosen) };
    return (
      (await readUnpacked(platform, place, chosen)) ??
      (await unpackDeb(platform, await download(chosen, signal), place, chosen))
    );
  };

  return {
    ecosystem: "debian",
    architecture,
    through,
    description: parts.indexes.map(({ label }) => label).join(", "),
    resolve: (world, options) => resolveWorld(index, world, options),
    find: (item) => find(index, item),
    download,
    fetch,
    fetchAll: (chosen, signal) =>
      mapConcurrently(chosen, concurrentFetches, signal, (one, stop) => fetch(one, stop)),
  };
}

/** Where a package's archive is kept, from the directory of all Debian repositories. @throws KelpieError `invalid-input`. */
export function debianArchivePath(chosen: ResolvedPackage): string {
  return `archives/${digestOf(chosen)}.deb`;
}

function find(index: PackageIndex, item: string): ResolvedPackage {
  const clause = parseWorldItem(item, index.architecture);
  const names = clause.map(({ name }) => name);
  const found = candidates(index, clause).find(({ name }) => names.includes(name));
  if (found !== undefined) return toResolved(found, index.architecture);
  const present = names.flatMap((name) => index.versions(name).map(({ version }) => `${name} ${version}`));
  throw new KelpieError("not-found", "The Debian repository does not have a package", {
    expected: formatClause(clause),
    found: present.length === 0 ? "no package of that name" : present.join(", "),
  });
}

function digestOf({ name, digest }: ResolvedPackage): string {
  const [, sha256] = /^sha256:([0-9a-f]{64})$/.exec(digest) ?? [];
  if (sha256 !== undefined) return sha256;
  throw new KelpieError("invalid-input", "A Debian package has no usable digest", {
    expected: "sha256: and 64 hexadecimal digits",
    found: JSON.stringify(digest),
    where: name,
  });
}
