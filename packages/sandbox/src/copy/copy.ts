// Files and directories copied into a guest and out of it.

import { basename, join, posix } from "node:path";
import { type FileNode, fileSource, FileTree, produced, writeTar } from "@kelpie/formats";
import { KelpieError, type Platform } from "@kelpie/platform";
import type { GuestFiles, GuestOwner } from "../agent/guest-files.ts";
import { readHostTree } from "../workspace/host-tree.ts";
import { extractTar, replace, writeNewFile } from "./extract-tar.ts";
import { expandGuestPath } from "./glob.ts";

const maxEntries = 1_000_000;
const defaultMaxBytes = 64 * 2 ** 30;

/** How to copy. */
export interface CopyOptions {
  readonly platform: Platform;
  readonly files: GuestFiles;
  readonly signal: AbortSignal;
  /** Of what a guest may send for one source; default 64 GiB. */
  readonly maxBytes?: number;
  /** Whose everything is in the guest; default: root's what is the caller's, and for root as it is on the host. */
  readonly owner?: GuestOwner;
  /** Told how many bytes have gone over. */
  readonly onProgress?: (doneBytes: number) => void;
}

/** What was copied: lines say what was left out. */
export interface Copied {
  readonly bytes: number;
  readonly skipped: readonly string[];
}

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
  const { files, signal, owner } = options;
  const isInto = await isDirectoryTarget(
    sources.length,
    destination,
    async () => (await files.stat(destination, { signal }))?.kind === "directory",
  );
  const root = isInto ? destination : posix.dirname(destination);
  if (isInto) await files.mkdir(destination, { parents: true, signal });
  const meter = new Meter(options.onProgress);
  const skipped: string[] = [];
  for (const source of sources) {
    const name = isInto
      ? basename(await options.platform.files.realPath(source))
      : posix.basename(destination);
    const { tree, left } = await sourceTree(options, source, name);
    skipped.push(...left);
    const archive = meter.count(produced((sink) => writeTar(tree.entries(), sink)));
    await files.tarIn(root, archive, { signal, ...(owner === undefined ? {} : { owner }) });
  }
  return { bytes: meter.bytes, skipped };
}

/** A source as a tree with one name at its top. */
async function sourceTree(
  { platform, signal }: CopyOptions,
  source: string,
  name: string,
): Promise<{ readonly tree: FileTree; readonly left: readonly string[] }> {
  const { files, host } = platform;
  const status = await files.stat(source);
  if (status === undefined)
    throw new KelpieError("not-found", "There is no such file to copy", { where: source });
  const tree = new FileTree();
  const mtimeSeconds = Math.floor(status.mtimeMs / 1000);
  const ownerOf = (id: number): number => (host.uid === 0 ? id : 0);
  const metadata = {
    mode: status.mode & 0o777,
    uid: ownerOf(status.uid),
    gid: ownerOf(status.gid),
    mtimeSeconds,
  };
  if (status.kind === "file") {
    const node: FileNode = {
      ...metadata,
      kind: "file",
      content: fileSource(files, source, 0, status.sizeBytes),
    };
    tree.put(name, node);
    return { tree, left: [] };
  }
  if (status.kind !== "directory") {
    throw new KelpieError("unsupported", `A ${status.kind} cannot be copied`, { where: source });
  }
  const limits = { maxEntries, maxBytes: Infinity };
  const { tree: content, skipped } = await readHostTree(
    platform,
    await files.realPath(source),
    limits,
    signal,
  );
  tree.put(name, { ...metadata, kind: "directory" });
  for (const { path, node } of content.entries()) if (path !== "") tree.put(`${name}/${path}`, node);
  return { tree, left: skipped };
}

/**
 * Copies a guest's absolute paths, which may have wildcards, to the host: into the destination where that is a
 * directory, ends with a slash or takes several; else under its name. What comes belongs to the calling user.
 *
 * @throws KelpieError `not-found`, `unsafe-path` and `malformed` for what a hostile guest sends, `limit-exceeded`
 */
export async function copyOut(
  options: CopyOptions,
  sources: readonly string[],
  destination: string,
): Promise<Copied> {
  const { platform, files: guest, signal } = options;
  const paths: string[] = [];
  for (const source of sources) {
    const found = await expandGuestPath(guest, source, signal);
    if (found.length === 0) throw missing(source);
    paths.push(...found);
  }
  const isInto = await isDirectoryTarget(
    paths.length,
    destination,
    async () => (await platform.files.stat(destination))?.kind === "directory",
  );
  if (isInto) await platform.files.makeDirectory(destination);
  const meter = new Meter(options.onProgress);
  const skipped: string[] = [];
  for (const path of paths) {
    const name = posix.basename(path);
    if (isInto && (name === "" || name === "." || name === "..")) {
      throw new KelpieError("usage", "The copy of this path needs a name of its own", { where: path });
    }
    skipped.push(...(await copyOne(options, path, isInto ? join(destination, name) : destination, meter)));
  }
  return { bytes: meter.bytes, skipped };
}

async function copyOne(
  { platform, files: guest, signal, maxBytes = defaultMaxBytes }: CopyOptions,
  path: string,
  target: string,
  meter: Meter,
): Promise<readonly string[]> {
  const { files } = platform;
  const status = await guest.stat(path, { signal });
  if (status === undefined) throw missing(path);
  switch (status.kind) {
    case "directory": {
      await files.makeDirectory(target);
      const archive = meter.count(guest.tarOut(path, { signal }));
      const { skipped } = await extractTar(platform, archive, target, { maxEntries, maxBytes });
      return skipped.map((line) => `${path}/${line}`);
    }
    case "file": {
      await replace(platform, target, async (temporary) => {
        await writeNewFile(files, temporary, meter.count(guest.read(path, { signal })), maxBytes);
        await files.setMode(temporary, status.mode & 0o777);
        await files.setModifiedTime(temporary, status.modifiedMs);
      });
      return [];
    }
    case "symlink":
    case "fifo":
    case "socket":
    case "character-device":
    case "block-device":
    case "unknown":
      throw new KelpieError("unsupported", `A ${status.kind} cannot be copied`, { where: path });
    default:
      return status.kind satisfies never;
  }
}

async function isDirectoryTarget(
  count: number,
  destination: string,
  isDirectory: () => Promise<boolean>,
): Promise<boolean> {
  return count > 1 || destination.endsWith("/") || (await isDirectory());
}

function missing(path: string): KelpieError {
  return new KelpieError("not-found", "There is no such file in the sandbox", { where: path });
}

/** Counts what passes. */
class Meter {
  bytes = 0;
  readonly #onProgress: CopyOptions["onProgress"];

  constructor(onProgress: CopyOptions["onProgress"]) {
    this.#onProgress = onProgress;
  }

  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
    for await (const chunk of chunks) {
      this.bytes += chunk.length;
      this.#onProgress?.(this.bytes);
      yield chunk;
    }
  }
}
