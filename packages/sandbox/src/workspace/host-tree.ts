// A directory of the host as a tree whose contents stay where they are, and as a record to tell later what has changed.

import { type FileNode, fileSource, FileTree, type NodeMetadata, type TreeNode } from "@kelpie/formats";
import { type FileStatus, KelpieError, type Platform } from "@kelpie/platform";
import { eachOf } from "./each.ts";

/** What stood at a path. Two that are equal are the same content: whoever writes a file changes its time or its inode. */
export interface HostEntry {
  readonly kind: "file" | "directory" | "symlink";
  readonly sizeBytes: number;
  /** 0o000 to 0o777. */
  readonly mode: number;
  readonly mtimeMs: number;
  readonly inode: number;
  readonly device: number;
}

export interface HostTree {
  /** With the guest's owners: see {@link readHostTree}. */
  readonly tree: FileTree;
  /** By path relative to the directory; without the directory itself. */
  readonly entries: ReadonlyMap<string, HostEntry>;
  /** What is not in the tree: "run/socket is a socket". */
  readonly skipped: readonly string[];
}

export interface HostTreeLimits {
  readonly maxEntries: number;
  readonly maxBytes: number;
}

const atOnce = 32;
const everyone = 0o777;
const nobody = 65534;

type Parts = Pick<Platform, "files" | "host">;

/**
 * Reads the directory at `root`, following no symlink below it. What belongs to the calling user belongs to root in the
 * tree, which is who works in the guest; what belongs to others, to nobody. For root, owners stay as they are.
 *
 * @throws KelpieError `limit-exceeded`, `permission-denied`
 */
export async function readHostTree(
  { files, host }: Parts,
  root: string,
  limits: HostTreeLimits,
  signal: AbortSignal,
): Promise<HostTree> {
  const ownerOf = (id: number, own: number): number => (host.uid === 0 ? id : id === own ? 0 : nobody);
  const metadataOf = (status: FileStatus): NodeMetadata => ({
    mode: status.mode & everyone,
    uid: ownerOf(status.uid, host.uid),
    gid: ownerOf(status.gid, host.gid),
    mtimeSeconds: Math.floor(status.mtimeMs / 1000),
  });
  const top = await files.stat(root);
  if (top?.kind !== "directory") {
    throw new KelpieError("not-found", "There is no directory to share", { where: root });
  }
  const tree = new FileTree(metadataOf(top));
  const found = new Map<string, { readonly entry: HostEntry; readonly node: TreeNode }>();
  const hardLinks = new Map<string, FileNode>();
  const skipped: string[] = [];
  let sizeBytes = 0;

  const nodeOf = async (path: string, status: FileStatus): Promise<TreeNode | undefined> => {
    const metadata = metadataOf(status);
    switch (status.kind) {
      case "directory":
        return { ...metadata, kind: "directory" };
      case "symlink":
        return { ...metadata, kind: "symlink", target: await files.readLink(`${root}/${path}`) };
      case "file": {
        const key = `${status.device}:${status.inode}`;
        const known = hardLinks.get(key);
        if (known !== undefined) return known;
        sizeBytes += status.sizeBytes;
        const content = fileSource(files, `${root}/${path}`, 0, status.sizeBytes);
        const node: FileNode = { ...metadata, kind: "file", content };
        if (status.linkCount > 1) hardLinks.set(key, node);
        return node;
      }
      case "socket":
      case "fifo":
      case "device":
        skipped.push(`${path} is a ${status.kind}`);
        return undefined;
      default:
        return status.kind satisfies never;
    }
  };
  const visit = async (path: string): Promise<void> => {
    signal.throwIfAborted();
    const status = await files.lstat(`${root}/${path}`);
    const node = status === undefined ? undefined : await nodeOf(path, status);
    if (status === undefined || node === undefined) return;
    found.set(path, { entry: entryOf(status), node });
    if (found.size > limits.maxEntries || sizeBytes > limits.maxBytes) throw tooLarge(root, limits);
  };

  // Breadth first, a level at a time: as parallel as the level is wide.
  for (let level = [""]; level.length > 0; ) {
    const paths: string[] = [];
    await eachOf(level, atOnce, async (directory) => {
      const names = await files.list(`${root}/${directory}`);
      paths.push(...names.map((name) => (directory === "" ? name : `${directory}/${name}`)));
    });
    if (found.size + paths.length > limits.maxEntries) throw tooLarge(root, limits);
    await eachOf(paths, atOnce, visit);
    level = paths.filter((path) => found.get(path)?.entry.kind === "directory");
  }
  for (const [path, { node }] of found) tree.put(path, node);
  return { tree, entries: new Map([...found].map(([path, { entry }]) => [path, entry])), skipped };
}

/** The record of what stands at a path; for a kind that is not carried, of something that equals nothing carried. */
export function entryOf(status: FileStatus): HostEntry {
  const { kind, sizeBytes, mode, mtimeMs, inode, device } = status;
  const isCarried = kind === "file" || kind === "directory" || kind === "symlink";
  return {
    kind: isCarried ? kind : "file",
    sizeBytes: isCarried ? sizeBytes : -1,
    mode: mode & everyone,
    mtimeMs,
    inode,
    device,
  };
}

/** Whether both are the same thing with the same content. A directory's time says only that its names have changed. */
export function isSameEntry(a: HostEntry, b: HostEntry): boolean {
  if (a.kind !== b.kind || a.inode !== b.inode || a.device !== b.device) return false;
  return a.kind === "directory" || (a.sizeBytes === b.sizeBytes && a.mtimeMs === b.mtimeMs);
}

function tooLarge(root: string, { maxEntries, maxBytes }: HostTreeLimits): KelpieError {
  return new KelpieError("limit-exceeded", "A directory is too large to be copied to a disk", {
    expected: `at most ${maxEntries} entries and ${maxBytes} bytes`,
    where: root,
    help: "Share a smaller part of it, or share it by another way: --workspace-transport virtiofs or 9p.",
  });
}
