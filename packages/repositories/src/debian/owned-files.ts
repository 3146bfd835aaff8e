// Whose each file is when several packages bring it, by dpkg's rule: Replaces decides, anything else is an error. And
// where it goes on a system whose /bin, /sbin and /lib are links into /usr.

import { KelpieError } from "@kelpie/platform";
import type { TreeEntry } from "@kelpie/formats";
import { type Clause, parseDependencies, satisfiesConstraint } from "./dependency.ts";
import type { DebianArchive } from "./repository.ts";

/** A file or link, its owner, and its name in the image. */
export interface OwnedFile {
  readonly archive: DebianArchive;
  readonly entry: TreeEntry;
}

/** What the packages bring together. */
export interface OwnedFiles {
  /** Everything but directories by its path in the image. */
  readonly files: ReadonlyMap<string, OwnedFile>;
  /** Directories by path; of several packages' directories of one name, the first one's, as dpkg leaves what it finds. */
  readonly directories: ReadonlyMap<string, OwnedFile>;
}

/** Top-level names that are links into /usr (file-hierarchy(7); Debian since bookworm). */
const mergedNames = ["bin", "sbin", "lib", "lib32", "lib64", "libo32", "libx32"];

/** Where a package's path is on a system with a merged /usr: "bin/sh" is "usr/bin/sh". */
export function mergedPath(path: string): string {
  const [top = "", ...rest] = path.split("/");
  return mergedNames.includes(top) ? ["usr", top, ...rest].join("/") : path;
}

/** The links that a tree with these paths needs: "bin" to "usr/bin", … */
export function mergedLinks(paths: Iterable<string>): string[] {
  // debootstrap makes these three whatever the packages bring.
  const needed = new Set(["bin", "sbin", "lib"]);
  for (const path of paths) {
    const [top = ""] = path.split("/", 1);
    if (mergedNames.includes(top)) needed.add(top);
  }
  return [...needed].sort();
}

/** @throws KelpieError `already-exists` if two packages bring a file and neither replaces the other. */
export function ownedFiles(archives: readonly DebianArchive[]): OwnedFiles {
  const files = new Map<string, OwnedFile>();
  const directories = new Map<string, OwnedFile>();
  for (const archive of archives) {
    for (const entry of archive.entries) {
      if (isMergedLink(entry)) continue;
      const path = mergedPath(entry.path);
      const kept = entry.node.kind === "directory" ? directories : files;
      const present = kept.get(path);
      if (present === undefined || (kept === files && winner(present, archive, path) === archive))
        kept.set(path, { archive, entry });
    }
  }
  for (const path of files.keys()) {
    const [file, directory] = [files.get(path), directories.get(path)];
    if (file !== undefined && directory !== undefined) throw overlap(path, file.archive, directory.archive);
  }
  return { files, directories };
}

/** A package may bring the links of the merged /usr itself, as base-files does since trixie. */
function isMergedLink({ path, node }: TreeEntry): boolean {
  return (
    node.kind === "symlink" && mergedNames.includes(path) && node.target.replace(/^\//, "") === `usr/${path}`
  );
}

function winner(present: OwnedFile, incoming: DebianArchive, path: string): DebianArchive {
  if (replaces(incoming, present.archive)) return incoming;
  if (replaces(present.archive, incoming)) return present.archive;
  throw overlap(path, present.archive, incoming);
}

function replaces(newer: DebianArchive, older: DebianArchive): boolean {
  const where = `Replaces of ${newer.package.name}`;
  const clauses = (archive: DebianArchive, field: string): Clause[] =>
    parseDependencies(archive.control.get(field) ?? "", archive.package.architecture, where);
  const provided = clauses(older, "Provides").flat();
  return clauses(newer, "Replaces")
    .flat()
    .some(({ name, constraint }) =>
      name === older.package.name
        ? satisfiesConstraint(older.package.version, constraint)
        : constraint === undefined && provided.some((provision) => provision.name === name),
    );
}

function overlap(path: string, present: DebianArchive, incoming: DebianArchive): KelpieError {
  return new KelpieError("already-exists", "Two packages bring the same file", {
    expected: "one owner, or one that replaces the other",
    found: `${present.package.name} and ${incoming.package.name}`,
    where: `/${path}`,
  });
}
