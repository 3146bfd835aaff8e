// Puts packages into one tree by apk's rules: who may overwrite whose files, and what a shared directory's owner and mode are.

import { FileTree, type DirectoryNode } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import type { AlpineArchive } from "./archive.ts";
import { type Dependency, isContent } from "./dependency.ts";
import type { DataEntry } from "./package-data.ts";
import type { ApkRecord } from "./record.ts";

export interface MergedPackages {
  readonly tree: FileTree;
  /** Which package each file belongs to, by its path; directories belong to all that have them. */
  readonly owners: ReadonlyMap<string, AlpineArchive>;
}

/**
 * Merges `archives` in the order of their installation. A file that another package has too goes to the one that
 * replaces the other, by `replaces` and its priority, or to the later of two from the same source package.
 *
 * @throws KelpieError `already-exists` naming both packages and the path, where neither may replace the other.
 */
export function mergePackages(archives: readonly AlpineArchive[]): MergedPackages {
  const tree = new FileTree();
  const owners = new Map<string, AlpineArchive>();
  const directories = new Map<string, AlpineArchive>();
  for (const archive of archives) {
    for (const entry of archive.entries) {
      if (entry.node.kind === "directory")
        putDirectory(tree, archive, entry.path, entry.node, { owners, directories });
      else putFile(tree, archive, entry, { owners, directories });
    }
  }
  return { tree, owners };
}

interface Owners {
  readonly owners: Map<string, AlpineArchive>;
  readonly directories: Map<string, AlpineArchive>;
}

function putDirectory(
  tree: FileTree,
  archive: AlpineArchive,
  path: string,
  node: DirectoryNode,
  { owners, directories }: Owners,
): void {
  const other = owners.get(path);
  if (other !== undefined) throw clash(path, other, archive, "a directory of the one is a file of the other");
  const present = directories.has(path) ? tree.get(path) : undefined;
  directories.set(path, archive);
  tree.put(path, present?.kind === "directory" ? strictest(present, node) : node);
}

/** A directory of several packages has the lowest owner, and no permission that one of its packages withholds. */
function strictest(a: DirectoryNode, b: DirectoryNode): DirectoryNode {
  const order = a.uid - b.uid || a.gid - b.gid;
  if (order !== 0) return order < 0 ? a : b;
  return { ...a, mode: a.mode & b.mode };
}

function putFile(
  tree: FileTree,
  archive: AlpineArchive,
  entry: DataEntry,
  { owners, directories }: Owners,
): void {
  const { path, node } = entry;
  const directoryOwner = directories.get(path);
  if (directoryOwner !== undefined)
    throw clash(path, directoryOwner, archive, "a directory of the one is a file of the other");
  const other = owners.get(path);
  if (other === archive) throw clash(path, other, archive, "it has the file twice");
  if (other !== undefined && !mayOverwrite(claimOf(archive), claimOf(other), path)) return;
  tree.put(path, node);
  owners.set(path, archive);
}

/** What a package says of the files of others. */
export interface Claim {
  readonly record: Pick<ApkRecord, "name" | "version" | "checksum" | "origin">;
  readonly replaces: readonly Dependency[];
  readonly replacesPriority: number | undefined;
}

export function claimOf({ record, info }: AlpineArchive): Claim {
  return { record, replaces: info.replaces, replacesPriority: info.replacesPriority };
}

/**
 * Whether a package that comes takes a file from one that is there; if not, that one keeps it.
 *
 * @throws KelpieError `already-exists` where neither may replace the other.
 */
export function mayOverwrite(incoming: Claim, present: Claim, path: string): boolean {
  const { origin } = incoming.record;
  if (origin !== "" && origin === present.record.origin) return true;
  const keeps = priorityOver(present, incoming);
  const takes = priorityOver(incoming, present);
  if (keeps > takes) return false;
  if (takes >= 0) return true;
  throw clash(path, present, incoming, "neither says that it replaces the other");
}

/** The priority with which one package replaces another; -1 if it does not. */
function priorityOver({ replaces, replacesPriority }: Claim, { record }: Claim): number {
  const { version, checksum } = record;
  const isReplaced = replaces.some(
    (dependency) => dependency.name === record.name && isContent(dependency, { version, checksum }),
  );
  return isReplaced ? (replacesPriority ?? 0) : -1;
}

function clash(
  path: string,
  first: Pick<Claim, "record">,
  second: Pick<Claim, "record">,
  why: string,
): KelpieError {
  const title = ({ record }: Pick<Claim, "record">): string => `${record.name}-${record.version}`;
  return new KelpieError("already-exists", "Two packages have the same file", {
    found: `${title(first)} and ${title(second)}: ${why}`,
    where: path,
  });
}
