// Files and directories copied into a guest.

import { basename, posix } from "node:path";
import { fileSource, FileTree, produced, type TreeNode, withHoles, writeTar } from "@kelpie/formats";
import { type FileStatus, KelpieError, type Platform, printableLine } from "@kelpie/platform";
import type { GuestFile } from "../agent/guest-file.ts";
import { readHostTree } from "../workspace/host-tree.ts";
import { type Copied, type CopyOptions, maxEntries, Meter } from "./copy.ts";
import { leastSparseBytes, sparseFile } from "./sparse-file.ts";

/**
 * Copies host files and directories to a guest's absolute path: into it where it is a directory, ends with a slash or
 * takes several; else under its name. Symlinks in directories stay symlinks; a source that is one is followed.
 *
 * @throws KelpieError `not-found`, `already-exists`, `disk-full`, `guest-lost`
 */
export async function copyIn(
  options: CopyOptions,
  sources: readonly string[],
  destination: string,
): Promise<Copied> {
  const { files, signal } = options;
  const there = await files.stat(destination, { signal });
  const isInto = sources.length > 1 || destination.endsWith("/") || there?.kind === "directory";
  const root = isInto ? destination : posix.dirname(destination);
  if (there !== undefined) requireReplaceable(there, destination, isInto);
  else if (isInto) await files.mkdir(destination, { parents: true, signal });
  else if ((await files.stat(root, { signal })) === undefined) throw noGuestDirectory(root, destination);
  const meter = new Meter(options.onProgress);
  const skipped: string[] = [];
  for (const source of sources) {
    const name = isInto
      ? basename(await options.platform.files.realPath(source))
      : posix.basename(destination);
    const status = await options.platform.files.stat(source);
    if (status === undefined)
      throw new KelpieError("not-found", "There is no such file to copy", { where: source });
    if (status.kind === "file" && status.allocatedBytes >= status.sizeBytes) {
      await fileIn(options, { source, status, target: posix.join(root, name) }, meter);
    } else {
      skipped.push(...(await treeIn(options, { source, status, root, name }, meter)));
    }
  }
  return { bytes: meter.bytes, skipped };
}

/** A file by itself takes its place whole, or not at all. */
async function fileIn(
  { files, platform, signal, owner }: CopyOptions,
  { source, status, target }: { source: string; status: FileStatus; target: string },
  meter: Meter,
): Promise<void> {
  const { mode, uid, gid } = guestMetadata(platform.host, status);
  const content = meter.count(fileSource(platform.files, source, 0, status.sizeBytes).open(signal));
  await files.write(target, content, { permissions: mode, owner: owner ?? { uid, gid }, signal });
  await files.setAttributes(target, { modifiedMs: status.mtimeMs }, { signal });
}

async function treeIn(
  options: CopyOptions,
  { source, status, root, name }: { source: string; status: FileStatus; root: string; name: string },
  meter: Meter,
): Promise<readonly string[]> {
  const { files, signal, owner } = options;
  const { tree, left } = await sourceTree(options, source, status, name);
  const archive = meter.count(produced((sink) => writeTar(withHoles(tree.entries()), sink)));
  await files.tarIn(root, archive, { signal, ...(owner === undefined ? {} : { owner }) });
  return left;
}

/** A device, pipe or socket of the guest, or a directory where a file is to go, is not replaced. */
function requireReplaceable({ kind }: GuestFile, path: string, isInto: boolean): void {
  if (isInto ? kind === "directory" : kind === "file") return;
  throw new KelpieError(
    "already-exists",
    `A ${isInto ? "directory" : "file"} cannot take the place of a ${kind}`,
    {
      where: printableLine(path),
    },
  );
}

function noGuestDirectory(directory: string, destination: string): KelpieError {
  return new KelpieError("not-found", "The sandbox has no such directory to copy to", {
    where: directory,
    help: `To have it made and copied into, end the destination with a slash: ${destination}/`,
  });
}

/** A source as a tree with one name at its top. */
async function sourceTree(
  { platform, signal }: CopyOptions,
  source: string,
  status: FileStatus,
  name: string,
): Promise<{ readonly tree: FileTree; readonly left: readonly string[] }> {
  const { files, host } = platform;
  const tree = new FileTree();
  const metadata = guestMetadata(host, status);
  if (status.kind === "file") {
    tree.put(name, { ...metadata, kind: "file", content: await sparseFile(files, source, status, signal) });
    return { tree, left: [] };
  }
  if (status.kind !== "directory") {
    throw new KelpieError("unsupported", `A ${status.kind} cannot be copied`, { where: source });
  }
  const limits = { maxEntries, maxBytes: Infinity };
  const root = await files.realPath(source);
  const { tree: content, skipped } = await readHostTree(platform, root, limits, signal);
  tree.put(name, { ...metadata, kind: "directory" });
  const known = new Map<TreeNode, TreeNode>();
  for (const { path, node } of content.entries()) {
    if (path === "") continue;
    const copied = known.get(node) ?? (await withRanges(files, `${root}/${path}`, node, signal));
    if (copied !== node) known.set(node, copied);
    tree.put(`${name}/${path}`, copied);
  }
  return { tree, left: skipped };
}

async function withRanges(
  files: Platform["files"],
  path: string,
  node: TreeNode,
  signal: AbortSignal,
): Promise<TreeNode> {
  if (node.kind !== "file" || node.content.sizeBytes < leastSparseBytes) return node;
  const status = await files.stat(path);
  if (status === undefined || status.allocatedBytes >= status.sizeBytes) return node;
  return { ...node, content: await sparseFile(files, path, status, signal) };
}

function guestMetadata(
  host: Platform["host"],
  { mode, uid, gid, mtimeMs }: FileStatus,
): { mode: number; uid: number; gid: number; mtimeSeconds: number } {
  const ownerOf = (id: number): number => (host.uid === 0 ? id : 0);
  return {
    mode: mode & 0o777,
    uid: ownerOf(uid),
    gid: ownerOf(gid),
    mtimeSeconds: Math.floor(mtimeMs / 1000),
  };
}
