// From tar entries to a file tree whose contents stay in the archive.

import { KelpieError } from "@kelpie/platform";
import type { ByteSource } from "../byte-source.ts";
import type { FileTree, TreeEntry } from "../tree/file-tree.ts";
import type { ReadTarOptions } from "./read-tar.ts";
import type { TarEntry } from "./tar-entry.ts";

/** The content of `sizeBytes` bytes at `offset` of the uncompressed archive, wherever the caller keeps that. */
export type ContentAt = (offset: number, sizeBytes: number) => ByteSource;

/**
 * Makes a function that turns each entry of one archive, in order, into a tree entry. A hard link becomes the very node
 * of its target; one whose target did not come before it is `malformed`.
 */
export function tarTreeEntries(_contentAt: ContentAt): (entry: TarEntry) => TreeEntry {
  throw new KelpieError("internal", "Trees from tar are not written yet");
}

/** Reads an uncompressed tar archive into a tree; a later entry replaces an earlier one of the same path. */
export function treeFromTar(
  _source: AsyncIterable<Uint8Array>,
  _options: ReadTarOptions & { readonly contentAt: ContentAt },
): Promise<FileTree> {
  throw new KelpieError("internal", "Trees from tar are not written yet");
}
