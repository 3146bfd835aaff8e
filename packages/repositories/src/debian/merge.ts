// Lays Debian packages over each other into one tree with a merged /usr.

import { FileTree } from "@kelpie/formats";
import { describeError, KelpieError } from "@kelpie/platform";
import { mergedLinks, ownedFiles } from "./owned-files.ts";
import type { DebianArchive } from "./repository.ts";

/**
 * The files of all packages, /bin, /sbin and /lib being links into /usr. Where packages bring the same directory, the
 * first one's mode and owner stay, but those of base-files come before all: it is what a system is unpacked on.
 *
 * @throws KelpieError `already-exists` if two packages bring a file and neither Replaces the other, `unsafe-path`.
 */
export function mergeDebianPackages(archives: readonly DebianArchive[]): FileTree {
  const isBase = ({ package: { name } }: DebianArchive): boolean => name === "base-files";
  const ordered = [...archives.filter(isBase), ...archives.filter((archive) => !isBase(archive))];
  const { files, directories } = ownedFiles(ordered);
  const tree = new FileTree();
  for (const [path, { archive, entry }] of [...directories, ...files]) {
    try {
      tree.put(path, entry.node);
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      const { name, version } = archive.package;
      throw new KelpieError(error.code, "A package does not fit into the tree", {
        found: describeError(error),
        where: `${name} ${version}, ${entry.path}`,
        cause: error,
      });
    }
  }
  const shipped = archives.flatMap(({ entries }) => entries.map(({ path }) => path));
  for (const name of mergedLinks(shipped)) {
    const target = `usr/${name}`;
    if (!tree.has(target))
      tree.put(target, { kind: "directory", mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 });
    tree.put(name, { kind: "symlink", target, mode: 0o777, uid: 0, gid: 0, mtimeSeconds: 0 });
  }
  return tree;
}
