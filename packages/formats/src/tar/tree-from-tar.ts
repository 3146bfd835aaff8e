// From tar entries to a file tree whose contents stay in the archive.

import { KelpieError } from "@kelpie/platform";
import type { ByteSource } from "../byte-source.ts";
import { FileTree, type TreeEntry } from "../tree/file-tree.ts";
import type { FileNode, NodeMetadata, TreeNode } from "../tree/node.ts";
import { type ReadTarOptions, readTar } from "./read-tar.ts";
import type { TarEntry } from "./tar-entry.ts";

/** The content of `sizeBytes` bytes at `offset` of the uncompressed archive, wherever the caller keeps that. */
export type ContentAt = (offset: number, sizeBytes: number) => ByteSource;

/**
 * Makes a function that turns each entry of one archive, in order, into a tree entry. A hard link becomes the very node
 * of its target; one whose target is not a file that came before it is `malformed`.
 */
export function tarTreeEntries(contentAt: ContentAt): (entry: TarEntry) => TreeEntry {
  const files = new Map<string, FileNode>();
  return (entry) => {
    const node = entry.kind === "hard-link" ? linked(files, entry) : nodeOf(entry, contentAt);
    if (node.kind === "file") files.set(entry.path, node);
    else files.delete(entry.path);
    return { path: entry.path, node };
  };
}

/** Reads an uncompressed tar archive into a tree; a later entry replaces an earlier one of the same path. */
export async function treeFromTar(
  source: AsyncIterable<Uint8Array>,
  options: ReadTarOptions & { readonly contentAt: ContentAt },
): Promise<FileTree> {
  const tree = new FileTree();
  const toTree = tarTreeEntries(options.contentAt);
  for await (const entry of readTar(source, options)) {
    const { path, node } = toTree(entry);
    tree.put(path, node);
  }
  return tree;
}

function linked(files: ReadonlyMap<string, FileNode>, { path, linkTarget }: TarEntry): FileNode {
  const target = files.get(linkTarget);
  if (target === undefined) {
    throw new KelpieError("malformed", "A hard link in a tar archive leads nowhere", {
      expected: `a file ${JSON.stringify(linkTarget)} before it`,
      found: "none",
      where: path,
    });
  }
  return target;
}

function nodeOf(entry: TarEntry, contentAt: ContentAt): TreeNode {
  const { mode, uid, gid, mtimeSeconds, xattrs } = entry;
  const metadata: NodeMetadata = {
    mode,
    uid,
    gid,
    mtimeSeconds,
    ...(xattrs.size === 0 ? {} : { xattrs }),
  };
  switch (entry.kind) {
    case "file":
      return { kind: "file", ...metadata, content: contentAt(entry.contentOffset, entry.sizeBytes) };
    case "symlink":
      return { kind: "symlink", ...metadata, target: entry.linkTarget };
    case "character-device":
    case "block-device":
      return { kind: entry.kind, ...metadata, major: entry.major, minor: entry.minor };
    case "directory":
      return { kind: "directory", ...metadata };
    case "fifo":
      return { kind: "fifo", ...metadata };
    case "hard-link":
      throw new KelpieError("internal", "A hard link has no node of its own", { where: entry.path });
    default:
      return entry.kind satisfies never;
  }
}
