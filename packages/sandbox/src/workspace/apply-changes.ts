// Carries a guest's changes out on the host: within the directory, each file whole or not at all, and never over
// something that the host has changed meanwhile.

import { dirname, join } from "node:path";
import type { ByteSource, FileNode } from "@kelpie/formats";
import { KelpieError, type KelpieErrorCode, type Platform, randomHex } from "@kelpie/platform";
import type { Change } from "./changes.ts";
import { eachOf } from "./each.ts";
import { entryOf, type HostEntry, isSameEntry } from "./host-tree.ts";

/** The end of the name under which a guest's version stands beside one of the host's that was changed meanwhile. */
export const conflictSuffix = ".from-sandbox";

const atOnce = 16;
const chunkBytes = 1 << 20;
const maxConflictNames = 100;

type Parts = Pick<Platform, "files" | "random">;

export interface AppliedChanges {
  /** Paths at which the host is as the guest now. */
  readonly done: readonly string[];
  readonly conflicts: readonly string[];
}

/** What concerns one path alone: it is told, and the others are carried out. */
const ofOnePath: readonly KelpieErrorCode[] = [
  "permission-denied",
  "read-only",
  "not-found",
  "already-exists",
  "in-use",
  "invalid-input",
];

/**
 * Carries out `changes` in the directory `root`, a path without symlinks. Returns those that were, and a line for each that
 * was not carried out as it is: where the host has changed the same path, its version stays and the guest's stands beside it.
 *
 * @throws KelpieError `disk-full`, `malformed`, `cancelled`; what was carried out until then stays.
 */
export async function applyChanges(
  platform: Parts,
  root: string,
  changes: readonly Change[],
  signal: AbortSignal,
): Promise<AppliedChanges> {
  const work = new Application(platform, root);
  const isFile = (change: Change): boolean => change.kind === "file";
  for (const change of changes.filter((candidate) => !isFile(candidate))) {
    signal.throwIfAborted();
    await work.carryOut(change);
  }
  await eachOf(changes.filter(isFile), atOnce, (change) => {
    signal.throwIfAborted();
    return work.carryOut(change);
  });
  await work.finish();
  return { done: work.done, conflicts: work.conflicts.toSorted() };
}

class Application {
  readonly conflicts: string[] = [];
  readonly done: string[] = [];
  readonly #files: Platform["files"];
  readonly #random: Platform["random"];
  readonly #root: string;
  /** Where the content of a node stands already: its other names become hard links to it. */
  readonly #written = new Map<FileNode, Promise<string>>();
  /** Of directories: set at the end, because one that cannot be written to could not be filled. */
  readonly #modes: (readonly [target: string, mode: number])[] = [];

  constructor({ files, random }: Parts, root: string) {
    this.#files = files;
    this.#random = random;
    this.#root = root;
  }

  /** The last step. */
  async finish(): Promise<void> {
    for (const [target, mode] of this.#modes.toReversed()) await this.#files.setMode(target, mode);
  }

  async carryOut(change: Change): Promise<void> {
    const before = this.conflicts.length;
    try {
      await this.#carryOut(change);
      // Others are under way at the same time: one of theirs may be counted for ours, which costs a comparison later.
      if (this.conflicts.length === before) this.done.push(change.path);
    } catch (error) {
      if (!KelpieError.is(error) || !ofOnePath.includes(error.code)) throw error;
      this.conflicts.push(`${change.path} is left as it is on the host: ${error.message}`);
    }
  }

  async #carryOut(change: Change): Promise<void> {
    const target = join(this.#root, change.path);
    if (!(await this.#isInside(target))) {
      this.conflicts.push(`${change.path} leads elsewhere on the host by now: it is left alone`);
      return;
    }
    const status = await this.#files.lstat(target);
    const current = status === undefined ? undefined : entryOf(status);
    const isAsBefore = isSame(current, change.base);
    switch (change.kind) {
      case "remove":
        await this.#remove(change.path, target, current, isAsBefore);
        break;
      case "directory":
        await this.#makeDirectory(change.path, target, change.mode, current);
        break;
      case "symlink":
        if (current?.kind === "symlink" && (await this.#files.readLink(target)) === change.target) break;
        await this.#replace(change.path, target, isAsBefore, (path) =>
          this.#files.symlink(change.target, path),
        );
        break;
      case "file":
        await this.#putFile(change.path, target, change.node, current, isAsBefore);
        break;
      default:
        change satisfies never;
    }
  }

  /** Whether the way to `target` goes through directories of the shared one alone: not through a symlink out of it. */
  async #isInside(target: string): Promise<boolean> {
    const parent = dirname(target);
    const status = await this.#files.lstat(parent);
    return status?.kind === "directory" && (await this.#files.realPath(parent)) === parent;
  }

  async #remove(
    path: string,
    target: string,
    current: HostEntry | undefined,
    isAsBefore: boolean,
  ): Promise<void> {
    if (current === undefined) return;
    const isInUse = current.kind === "directory" && (await this.#files.list(target)).length > 0;
    if (!isAsBefore || isInUse) {
      this.conflicts.push(`${path} was removed in the sandbox and changed on the host: it is kept`);
      return;
    }
    await this.#files.remove(target);
  }

  async #makeDirectory(
    path: string,
    target: string,
    mode: number,
    current: HostEntry | undefined,
  ): Promise<void> {
    if (current === undefined) await this.#files.makeNewDirectory(target, 0o700);
    else if (current.kind !== "directory") {
      this.conflicts.push(
        `${path} is a directory in the sandbox and a ${current.kind} on the host: it is kept`,
      );
      return;
    }
    this.#modes.push([target, mode]);
  }

  async #putFile(
    path: string,
    target: string,
    node: FileNode,
    current: HostEntry | undefined,
    isAsBefore: boolean,
  ): Promise<void> {
    if (current?.kind === "file" && (await this.#holds(target, current, node.content))) {
      // The content is the same; where nobody else has touched it, its mode and time follow the guest's.
      if (isAsBefore) await this.#setMetadata(target, node, current);
      this.#written.set(node, Promise.resolve(target));
      return;
    }
    const known = this.#written.get(node);
    const put = Promise.withResolvers<string>();
    if (known === undefined) {
      this.#written.set(node, put.promise);
      put.promise.catch(() => undefined);
    }
    try {
      const place = await this.#replace(path, target, isAsBefore, async (temporary) => {
        if (known === undefined) await this.#writeFile(temporary, node);
        else await this.#files.hardLink(await known, temporary);
      });
      put.resolve(place);
    } catch (error) {
      put.reject(error);
      throw error;
    }
  }

  /** Makes something under a temporary name and moves it to its place, or beside it. Returns where it stands. */
  async #replace(
    path: string,
    target: string,
    isAsBefore: boolean,
    make: (temporary: string) => Promise<void>,
  ): Promise<string> {
    const temporary = join(dirname(target), `.kelpie-${randomHex(this.#random, 8)}.tmp`);
    try {
      await make(temporary);
      if (isAsBefore) {
        await this.#files.rename(temporary, target);
        return target;
      }
      return await this.#putBeside(path, target, temporary);
    } finally {
      // Gone if it was moved; a hard link moved over itself stays.
      await this.#files.remove(temporary);
    }
  }

  async #putBeside(path: string, target: string, temporary: string): Promise<string> {
    for (let count = 1; count <= maxConflictNames; count++) {
      const suffix = count === 1 ? conflictSuffix : `${conflictSuffix}.${count}`;
      if ((await this.#files.lstat(target + suffix)) !== undefined) continue;
      await this.#files.rename(temporary, target + suffix);
      this.conflicts.push(
        `${path} was changed on the host meanwhile: that stays, and the sandbox's is ${path}${suffix}`,
      );
      return target + suffix;
    }
    throw new KelpieError("already-exists", "There are too many versions of a file from sandboxes", {
      where: target,
    });
  }

  async #writeFile(path: string, node: FileNode): Promise<void> {
    const { content } = node;
    const ranges = content.dataRanges ?? [{ start: 0, end: content.sizeBytes }];
    {
      await using handle = await this.#files.open(path, "create", 0o600);
      for (const { start, end } of ranges) {
        for (let at = start; at < end; at += chunkBytes) {
          const chunk = new Uint8Array(Math.min(chunkBytes, end - at));
          await content.readInto?.(chunk, at);
          await handle.write(chunk, at);
        }
      }
      await handle.truncate(content.sizeBytes);
    }
    await this.#setMetadata(path, node);
  }

  async #setMetadata(path: string, { mode, mtimeSeconds }: FileNode, current?: HostEntry): Promise<void> {
    if (current?.mode !== (mode & 0o777)) await this.#files.setMode(path, mode & 0o777);
    // The guest's disk keeps whole seconds.
    if (current === undefined || Math.floor(current.mtimeMs / 1000) !== mtimeSeconds)
      await this.#files.setModifiedTime(path, mtimeSeconds * 1000);
  }

  async #holds(path: string, { sizeBytes }: HostEntry, content: ByteSource): Promise<boolean> {
    if (sizeBytes !== content.sizeBytes) return false;
    for (let at = 0; at < sizeBytes; at += chunkBytes) {
      const ours = new Uint8Array(Math.min(chunkBytes, sizeBytes - at));
      const theirs = new Uint8Array(ours.length);
      const got = await this.#files.readInto(path, ours, at);
      await content.readInto?.(theirs, at);
      if (got < ours.length || Buffer.compare(ours, theirs) !== 0) return false;
    }
    return true;
  }
}

function isSame(current: HostEntry | undefined, base: HostEntry | undefined): boolean {
  if (current === undefined || base === undefined) return current === base;
  return isSameEntry(current, base);
}
