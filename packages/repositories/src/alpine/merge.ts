// Puts packages into one tree by apk's rules: who may overwrite whose files, and what a shared directory's owner and mode are.

import { FileTree, type DirectoryNode } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import type { AlpineArchive } from "./archive.ts";
import { isContent } from "./dependency.ts";
import type { DataEntry } from "./package-data.ts";

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
  if (other !== undefined && !mayOverwrite(archive, other, path)) return;
  tree.put(path, node);
  owners.set(path, archive);
}

function mayOverwrite(archive: AlpineArchive, other: AlpineArchive, path: string): boolean {
  if (archive === other) throw clash(path, other, archive, "it has the file twice");
  const { origin } = archive.record;
  if (origin !== "" && origin === other.record.origin) return true;
  const keeps = priorityOver(other, archive);
  const takes = priorityOver(archive, other);
  if (keeps > takes) return false;
  if (takes >= 0) return true;
  throw clash(path, other, archive, "neither says that it replaces the other");
}

/** The priority with which `archive` replaces `other`; -1 if it does not. */
function priorityOver({ info }: AlpineArchive, { record }: AlpineArchive): number {
  const { version, checksum } = record;
  const replaces = info.replaces.some(
    (dependency) => dependency.name === record.name && isContent(dependency, { version, checksum }),
  );
  return replaces ? (info.replacesPriority ?? 0) : -1;
}

function clash(path: string, first: AlpineArchive, second: AlpineArchive, why: string): KelpieError {
  const title = ({ record }: AlpineArchive): string => `${record.name}-${record.version}`;
  return new KelpieError("already-exists", "Two packages have the same file", {
    found: `${title(first)} and ${title(second)}: ${why}`,
    where: path,
  });
}
