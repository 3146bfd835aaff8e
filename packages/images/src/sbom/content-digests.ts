// The digests of every file of a tree.

import { createHash, hash } from "node:crypto";
import type { ByteSource, FileNode, FileTree } from "@kelpie/formats";
import { mapAhead } from "../distribution/map-ahead.ts";
import type { ContentDigests } from "./inventory.ts";

/** Files up to this size are read at once: most are small, and a stream for each costs more than its bytes. */
const wholeBytes = 1 << 20;
/** Reading is waiting, mostly. */
const readAhead = 16;

/** A regular file, by one of its names. */
export interface DigestedFile extends ContentDigests {
  /** As in the tree. */
  readonly path: string;
  readonly sizeBytes: number;
}

/** Digests of all regular files, in the tree's order; what has several names is read once. */
export async function contentDigests(tree: FileTree, signal?: AbortSignal): Promise<DigestedFile[]> {
  const nodes = new Set<FileNode>();
  for (const { node } of tree.entries()) if (node.kind === "file") nodes.add(node);
  const known = new Map<FileNode, ContentDigests>();
  const digest = async (node: FileNode, stop: AbortSignal): Promise<readonly [FileNode, ContentDigests]> => [
    node,
    await digestsOf(node.content, stop),
  ];
  for await (const [node, digests] of mapAhead(nodes, readAhead, signal, digest)) known.set(node, digests);
  const found: DigestedFile[] = [];
  for (const { path, node } of tree.entries()) {
    const digests = node.kind === "file" ? known.get(node) : undefined;
    if (node.kind !== "file" || digests === undefined) continue;
    found.push({ path, sizeBytes: node.content.sizeBytes, ...digests });
  }
  return found;
}

async function digestsOf(content: ByteSource, signal: AbortSignal): Promise<ContentDigests> {
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
