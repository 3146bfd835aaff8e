// Paths as a program in the guest would see them: a file tree whose symlinks are followed, never out of the tree.

import { collect, type FileTree, normalizePath, textSource, type TreeNode } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";

const maxLinks = 40;

/** Whether the last component, if it is a symlink, is followed too. */
type Last = "follow" | "keep";

/**
 * The path that `path` leads to once symlinks are followed, absolute ones from the tree's root. What does not exist
 * is taken as it is written.
 *
 * @throws KelpieError `unsafe-path` for a loop of symlinks.
 */
export function followLinks(tree: FileTree, path: string, last: Last = "keep"): string {
  const ahead = path.split("/").reverse();
  let reached: string[] = [];
  let links = 0;
  while (ahead.length > 0) {
    const component = ahead.pop();
    if (component === undefined || component === "" || component === ".") continue;
    if (component === "..") {
      reached.pop();
      continue;
    }
    reached.push(component);
    if (last === "keep" && ahead.every((rest) => rest === "" || rest === ".")) break;
    const node = tree.get(reached.join("/"));
    if (node?.kind !== "symlink") continue;
    if (++links > maxLinks) {
      throw new KelpieError("unsafe-path", "A path leads through too many symlinks", {
        expected: `at most ${maxLinks}`,
        where: path,
      });
    }
    reached.pop();
    if (node.target.startsWith("/")) reached = [];
    ahead.push(...node.target.split("/").reverse());
  }
  return normalizePath(reached.join("/"));
}

/** The node that `path` leads to, its last component followed too. */
export function lookUp(tree: FileTree, path: string): TreeNode | undefined {
  return tree.get(followLinks(tree, path, "follow"));
}

/**
 * Puts a node where `path` leads to through the tree's own symlinks (Debian's /sbin is one). A directory put over a
 * symlink to a directory is that directory; anything else takes the symlink's place.
 */
export function putAt(tree: FileTree, path: string, node: TreeNode): void {
  const target = followLinks(tree, path);
  if (node.kind === "directory" && tree.get(target)?.kind === "symlink") {
    const followed = followLinks(tree, path, "follow");
    if (tree.get(followed)?.kind === "directory") {
      tree.put(followed, node);
      return;
    }
  }
  tree.put(target, node);
}

/** The text of a file, or undefined where none stands. A file of more than `maxBytes` is `limit-exceeded`. */
export async function readText(
  tree: FileTree,
  path: string,
  maxBytes = 1 << 20,
): Promise<string | undefined> {
  const bytes = await readBytes(tree, path, maxBytes);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** The bytes of a file, or undefined where none stands. A file of more than `maxBytes` is `limit-exceeded`. */
export async function readBytes(
  tree: FileTree,
  path: string,
  maxBytes: number,
): Promise<Uint8Array | undefined> {
  const node = lookUp(tree, path);
  if (node?.kind !== "file") return undefined;
  return node.content.bytes ?? (await collect(node.content.open(), maxBytes, path));
}

/** Who owns a new file and how it may be used. */
export interface Ownership {
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
}

/** Puts files into one tree with one modification time. */
export class TreeEditor {
  readonly tree: FileTree;
  readonly mtimeSeconds: number;

  constructor(tree: FileTree, mtimeSeconds: number) {
    this.tree = tree;
    this.mtimeSeconds = mtimeSeconds;
  }

  /** A text file; what stood there loses its place, its owner and mode stay unless they are given. */
  text(path: string, content: string, ownership?: Ownership): void {
    const before = lookUp(this.tree, path);
    const kept = before?.kind === "file" ? before : { mode: 0o644, uid: 0, gid: 0 };
    const { mode, uid = 0, gid = 0 } = ownership ?? kept;
    putAt(this.tree, path, {
      kind: "file",
      mode,
      uid,
      gid,
      mtimeSeconds: this.mtimeSeconds,
      content: textSource(content),
    });
  }

  link(path: string, target: string): void {
    putAt(this.tree, path, {
      kind: "symlink",
      mode: 0o777,
      uid: 0,
      gid: 0,
      mtimeSeconds: this.mtimeSeconds,
      target,
    });
  }

  /** A directory; one that stands there already is left as it is. */
  directory(path: string, { mode, uid = 0, gid = 0 }: Ownership): void {
    if (lookUp(this.tree, path)?.kind === "directory") return;
    putAt(this.tree, path, { kind: "directory", mode, uid, gid, mtimeSeconds: this.mtimeSeconds });
  }

  /** Whether anything, a dangling symlink included, has this name. */
  stands(path: string): boolean {
    return this.tree.get(followLinks(this.tree, path)) !== undefined;
  }
}

/** Names of the commands on the usual PATH. */
export function commandNames(tree: FileTree): Set<string> {
  const directories = ["bin", "sbin", "usr/bin", "usr/sbin"].map((path) => followLinks(tree, path, "follow"));
  return new Set(directories.flatMap((path) => tree.list(path)));
}

/** Every entry below a directory of the image, its own symlink followed; paths as they are in the tree. */
export function* below(tree: FileTree, directory: string): Generator<{ path: string; node: TreeNode }> {
  const root = followLinks(tree, directory, "follow");
  for (const name of tree.list(root)) {
    const path = root === "" ? name : `${root}/${name}`;
    const node = tree.get(path);
    if (node === undefined) continue;
    yield { path, node };
    if (node.kind === "directory") yield* below(tree, path);
  }
}
