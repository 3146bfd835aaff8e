// Where an image's bytes are: by package, by directory, by type of content.

import type { FileNode, FileTree } from "@kelpie/formats";
import type { Platform } from "@kelpie/platform";
import { openRootfs } from "../diff/root-file-system.ts";
import { imageFiles, type ImageMetadata } from "../metadata/image-metadata.ts";
import { packageOwners } from "../sbom/owners.ts";
import type { StoredImage } from "../store/image-store.ts";
import { followLinks } from "../rootfs/image-tree.ts";
import { type ContentType, contentType } from "./content-type.ts";

/** A part of the whole. */
export interface Share {
  readonly name: string;
  readonly sizeBytes: number;
  readonly files: number;
}

/** Lists are in the order of size, the largest first. Sizes of files are those of their content. */
export interface SizeBreakdown {
  /** Of the image's files together. */
  readonly totalBytes: number;
  /** The image's files. */
  readonly parts: readonly Share[];
  /** Of the root file system's files; what no package owns is `files of no package`. */
  readonly packages: readonly Share[];
  /** Two levels deep: `/usr/lib`. */
  readonly directories: readonly Share[];
  readonly types: readonly Share[];
  /** What the root file system takes beyond its files' content: free room, inodes, directories. */
  readonly overheadBytes: number;
}

/** A regular file of the root file system; what has several names is here once. */
export interface SizedFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly owner: string;
  readonly type: ContentType;
}

export const unowned = "files of no package";

/** Every regular file of an image's root file system with its owner. @throws KelpieError as `readExt4`. */
export async function sizedFiles(
  platform: Pick<Platform, "files">,
  image: StoredImage,
  signal?: AbortSignal,
): Promise<readonly SizedFile[]> {
  const { tree } = await openRootfs(platform.files, image, signal);
  return await filesOf(tree, signal);
}

/** As {@link sizedFiles}, of a tree. */
export async function filesOf(tree: FileTree, signal?: AbortSignal): Promise<readonly SizedFile[]> {
  const owners = new Map(await packageOwners(tree));
  for (const [path, program] of [
    ["/sbin/init", "kelpie-init"],
    ["/usr/local/bin/kelpie-guest", "kelpie-guest"],
  ] as const)
    owners.set(followLinks(tree, path), program);
  const seen = new Set<FileNode>();
  const found: SizedFile[] = [];
  for (const { path, node } of tree.entries()) {
    if (node.kind !== "file" || seen.has(node)) continue;
    signal?.throwIfAborted();
    seen.add(node);
    found.push({
      path: `/${path}`,
      sizeBytes: node.content.sizeBytes,
      owner: owners.get(path) ?? unowned,
      type: await contentType(path, node.content),
    });
  }
  return found;
}

/** Sums of the files. */
export function sizeBreakdown(
  metadata: Pick<ImageMetadata, "files">,
  sized: readonly SizedFile[],
): SizeBreakdown {
  const contentBytes = sized.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
  const parts = imageFiles(metadata).map(({ name, sizeBytes }) => ({ name, sizeBytes, files: 1 }));
  return {
    totalBytes: parts.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
    parts: parts.sort(bySize),
    packages: shares(sized, ({ owner }) => owner),
    directories: shares(sized, ({ path }) => directoryOf(path)),
    types: shares(sized, ({ type }) => type),
    overheadBytes: Math.max(0, metadata.files["rootfs.ext4"].sizeBytes - contentBytes),
  };
}

function shares(sized: readonly SizedFile[], key: (file: SizedFile) => string): readonly Share[] {
  const groups = Map.groupBy(sized, key);
  return [...groups]
    .map(([name, files]) => ({
      name,
      sizeBytes: files.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
      files: files.length,
    }))
    .sort(bySize);
}

/** "/usr/lib" for all below it, "/usr" for what stands right in it. */
function directoryOf(path: string): string {
  return `/${path.split("/").slice(1, -1).slice(0, 2).join("/")}`;
}

function bySize(a: Share, b: Share): number {
  return b.sizeBytes - a.sizeBytes || (a.name < b.name ? -1 : 1);
}
