// A file tree in memory: the value between package archives and file system images.

import { KelpieError } from "@kelpie/platform";
import { bytewise } from "./bytewise.ts";
import type { DirectoryNode, NodeMetadata, TreeNode } from "./node.ts";
import { baseName, normalizePath, parentPath } from "./path.ts";

/** One name in the tree. */
export interface TreeEntry {
  /** Normalised; "" for the root. */
  readonly path: string;
  readonly node: TreeNode;
}

interface Directory {
  node: DirectoryNode;
  readonly children: Map<string, Directory | Exclude<TreeNode, DirectoryNode>>;
}

const defaultDirectory: NodeMetadata = { mode: 0o755, uid: 0, gid: 0, mtimeSeconds: 0 };

/**
 * Names and their nodes. Symlinks are never followed: a path through one is `unsafe-path`, so nothing can be put
 * outside the tree or behind somebody's link.
 */
export class FileTree {
  readonly #root: Directory;

  constructor(root: NodeMetadata = defaultDirectory) {
    this.#root = { node: { ...root, kind: "directory" }, children: new Map() };
  }

  /** The node at `path`, or undefined. */
  get(path: string): TreeNode | undefined {
    const found = this.#find(normalizePath(path));
    return found === undefined ? undefined : nodeOf(found);
  }

  has(path: string): boolean {
    return this.get(path) !== undefined;
  }

  /** Names in the directory at `path`, in bytewise order; empty if there is no directory. */
  list(path: string): string[] {
    const found = this.#find(normalizePath(path));
    return found !== undefined && isDirectory(found) ? [...found.children.keys()].sort(bytewise) : [];
  }

  /**
   * Puts `node` at `path`, replacing what stood there; missing parents are created (0755, root's). A directory put
   * over a directory changes its metadata and keeps its children. The same FileNode put twice is a hard link.
   *
   * @throws KelpieError `unsafe-path` if a parent is not a directory, `already-exists` if a file would replace a
   * directory that is not empty.
   */
  put(path: string, node: TreeNode): void {
    const normalized = normalizePath(path);
    if (normalized === "") {
      if (node.kind !== "directory")
        throw new KelpieError("unsafe-path", "The root of a tree must be a directory");
      this.#root.node = node;
      return;
    }
    const parent = this.#parent(normalized);
    const name = baseName(normalized);
    const existing = parent.children.get(name);
    if (node.kind === "directory") {
      if (existing !== undefined && isDirectory(existing)) existing.node = node;
      else parent.children.set(name, { node, children: new Map() });
      return;
    }
    if (existing !== undefined && isDirectory(existing) && existing.children.size > 0) {
      throw new KelpieError("already-exists", "A file cannot replace a directory that is not empty", {
        where: normalized,
      });
    }
    parent.children.set(name, node);
  }

  /** Removes the entry and, for a directory, all below it; false if there was none. */
  remove(path: string): boolean {
    const normalized = normalizePath(path);
    const parent = this.#find(parentPath(normalized));
    return (
      normalized !== "" &&
      parent !== undefined &&
      isDirectory(parent) &&
      parent.children.delete(baseName(normalized))
    );
  }

  /** Every entry, parents before children, siblings in bytewise order of their names; the root first. */
  *entries(): Generator<TreeEntry> {
    yield { path: "", node: this.#root.node };
    yield* walk(this.#root, "");
  }

  #find(normalized: string): Directory | Exclude<TreeNode, DirectoryNode> | undefined {
    if (normalized === "") return this.#root;
    let at: Directory | Exclude<TreeNode, DirectoryNode> | undefined = this.#root;
    for (const component of normalized.split("/")) {
      if (at === undefined || !isDirectory(at)) return undefined;
      at = at.children.get(component);
    }
    return at;
  }

  #parent(normalized: string): Directory {
    let at = this.#root;
    const components = normalized.split("/").slice(0, -1);
    for (const [depth, component] of components.entries()) {
      let next = at.children.get(component);
      if (next === undefined) {
        next = {
          node: { ...defaultDirectory, mtimeSeconds: this.#root.node.mtimeSeconds, kind: "directory" },
          children: new Map(),
        };
        at.children.set(component, next);
      }
      if (!isDirectory(next)) {
        throw new KelpieError("unsafe-path", "A path leads through something that is not a directory", {
          found: `${components.slice(0, depth + 1).join("/")} is a ${next.kind}`,
          where: normalized,
        });
      }
      at = next;
    }
    return at;
  }
}

function isDirectory(value: Directory | TreeNode): value is Directory {
  return "children" in value;
}

function nodeOf(value: Directory | Exclude<TreeNode, DirectoryNode>): TreeNode {
  return isDirectory(value) ? value.node : value;
}

function* walk(directory: Directory, prefix: string): Generator<TreeEntry> {
  for (const name of [...directory.children.keys()].sort(bytewise)) {
    const child = directory.children.get(name);
    if (child === undefined) continue;
    const path = prefix + name;
    yield { path, node: nodeOf(child) };
    if (isDirectory(child)) yield* walk(child, `${path}/`);
  }
}
