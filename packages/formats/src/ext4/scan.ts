// From a tree of names to numbered inodes: which names share an inode, and how many links each has.

import { KelpieError } from "@kelpie/platform";
import type { FileTree, TreeEntry } from "../tree/file-tree.ts";
import type { DirectoryNode, FileNode, TreeNode } from "../tree/node.ts";
import { baseName } from "../tree/path.ts";
import { inodeNumber, maxLinks, maxNameBytes } from "./constants.ts";

/** One name in a directory. */
export interface DirectoryEntry {
  readonly name: string;
  readonly inode: number;
  readonly kind: TreeNode["kind"];
}

/** An inode before it has a place. */
export interface ScannedInode {
  readonly number: number;
  /** Its first name in the tree, for messages. */
  readonly path: string;
  readonly node: TreeNode;
  links: number;
  /** The directory that holds it first. */
  readonly parent: number;
  /** What a directory holds; undefined for all else. */
  readonly entries: DirectoryEntry[] | undefined;
}

const lostAndFoundName = "lost+found";

/**
 * Numbers the inodes of `tree` in the order of its entries, and adds lost+found where the tree has none.
 *
 * @throws KelpieError `invalid-input` for a name that ext4 cannot hold, `limit-exceeded` for too many hard links.
 */
export function scanTree(tree: FileTree, timestampSeconds: number): ScannedInode[] {
  const inodes: ScannedInode[] = [];
  const files = new Map<FileNode, ScannedInode>();
  const ancestors: { readonly prefix: string; readonly inode: ScannedInode }[] = [];
  let nextNumber = inodeNumber.lostAndFound + 1;

  const add = (number: number, path: string, node: TreeNode, parent: number): ScannedInode => {
    const entries = node.kind === "directory" ? [] : undefined;
    const inode = { number, path, node, links: entries === undefined ? 0 : 1, parent, entries };
    inodes.push(inode);
    return inode;
  };

  for (const { path, node } of withLostAndFound(tree, timestampSeconds)) {
    if (path === "") {
      if (node.kind !== "directory") throw new KelpieError("invalid-input", "The root must be a directory");
      const root = add(inodeNumber.root, path, node, inodeNumber.root);
      root.links += 1; // its own ".."
      ancestors.push({ prefix: "", inode: root });
      continue;
    }
    while (!path.startsWith(ancestors.at(-1)?.prefix ?? "")) ancestors.pop();
    const parent = ancestors.at(-1)?.inode;
    if (parent?.entries === undefined) throw new KelpieError("internal", "An entry came before its parent");
    const linked = node.kind === "file" ? files.get(node) : undefined;
    const number = path === lostAndFoundName ? inodeNumber.lostAndFound : nextNumber;
    const inode = linked ?? add(number, path, node, parent.number);
    if (inode.number === nextNumber) nextNumber += 1;
    parent.entries.push({ name: checkedName(path), inode: inode.number, kind: node.kind });
    countLink(inode, parent);
    if (node.kind === "file") files.set(node, inode);
    if (node.kind === "directory") ancestors.push({ prefix: `${path}/`, inode });
  }
  return inodes;
}

/** The tree's entries with lost+found, which is put in its place in their order where the tree has none. */
function* withLostAndFound(tree: FileTree, timestampSeconds: number): Generator<TreeEntry> {
  const existing = tree.get(lostAndFoundName);
  if (existing !== undefined && existing.kind !== "directory") {
    throw new KelpieError(
      "invalid-input",
      "lost+found at the root of an ext4 file system must be a directory",
      {
        found: `a ${existing.kind}`,
      },
    );
  }
  const owner = { mode: 0o700, uid: 0, gid: 0 };
  const made: DirectoryNode = { ...owner, kind: "directory", mtimeSeconds: timestampSeconds };
  let isMissing = existing === undefined;
  for (const entry of tree.entries()) {
    if (isMissing && !entry.path.includes("/") && isAfterLostAndFound(entry.path)) {
      yield { path: lostAndFoundName, node: made };
      isMissing = false;
    }
    yield entry;
  }
  if (isMissing) yield { path: lostAndFoundName, node: made };
}

function isAfterLostAndFound(name: string): boolean {
  return Buffer.compare(Buffer.from(name), Buffer.from(lostAndFoundName)) > 0;
}

function checkedName(path: string): string {
  const name = baseName(path);
  const sizeBytes = Buffer.byteLength(name);
  // Two names with different halves of surrogate pairs would become the same bytes.
  if (!name.isWellFormed() || sizeBytes > maxNameBytes) {
    throw new KelpieError("invalid-input", "ext4 cannot hold this name", {
      expected: `at most ${maxNameBytes} bytes of well-formed Unicode`,
      found: `${sizeBytes} bytes`,
      where: path,
    });
  }
  return name;
}

/** A directory is linked by its own "." and by the ".." of each directory in it. */
function countLink(inode: ScannedInode, parent: ScannedInode): void {
  if (inode.entries !== undefined) parent.links += 1;
  inode.links += 1;
  if (inode.entries === undefined && inode.links > maxLinks) {
    throw new KelpieError("limit-exceeded", "A file has too many hard links for ext4", {
      expected: `at most ${maxLinks}`,
      where: inode.path,
    });
  }
}
