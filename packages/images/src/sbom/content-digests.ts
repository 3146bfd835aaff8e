// The digests of every file of a tree.

import { createHash, hash } from "node:crypto";
import type { ByteSource, FileNode, FileTree } from "@kelpie/formats";
import type { ContentDigests } from "./inventory.ts";

/** Files up to this size are read at once: most are small, and a stream for each costs more than its bytes. */
const wholeBytes = 4 << 20;

/** A regular file, by one of its names. */
export interface DigestedFile extends ContentDigests {
  /** As in the tree. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** Digests of all regular files, in the tree's order; what has several names is read once. */
export async function contentDigests(tree: FileTree, signal?: AbortSignal): Promise<DigestedFile[]> {
  const known = new Map<FileNode, ContentDigests>();
  const found: DigestedFile[] = [];
  for (const { path, node } of tree.entries()) {
    if (node.kind !== "file") continue;
    signal?.throwIfAborted();
    const digests = known.get(node) ?? (await digestsOf(node.content, signal));
    known.set(node, digests);
    found.push({ path, sizeBytes: node.content.sizeBytes, ...digests });
  }
  return found;
}

async function digestsOf(content: ByteSource, signal: AbortSignal | undefined): Promise<ContentDigests> {
  if (content.bytes !== undefined) return ofBytes(content.bytes);
  if (content.readInto !== undefined && content.sizeBytes <= wholeBytes) {
    const bytes = new Uint8Array(content.sizeBytes);
    if (bytes.length > 0) await content.readInto(bytes, 0);
    return ofBytes(bytes);
  }
  const [sha1, sha256] = [createHash("sha1"), createHash("sha256")];
  for await (const chunk of content.open(signal)) {
    sha1.update(chunk);
    sha256.update(chunk);
  }
  return { sha1: sha1.digest("hex"), sha256: sha256.digest("hex") };
}

function ofBytes(bytes: Uint8Array): ContentDigests {
  return { sha1: hash("sha1", bytes), sha256: hash("sha256", bytes) };
}
