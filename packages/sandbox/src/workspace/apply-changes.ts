// Carries a guest's changes out on the host: within the directory, each file whole or not at all, and never over
// something that the host has changed meanwhile.

import { dirname, join } from "node:path";
import type { ByteSource, FileNode } from "@kelpie/formats";
import { KelpieError, type KelpieErrorCode, type Platform, randomHex } from "@kelpie/platform";
import type { Change } from "./changes.ts";
import { eachOf } from "./each.ts";
import { entryOf, type HostEntry, isSameEntry } from "./host-tree.ts";

/** The end of the name under which a guest's version stands beside one of the host's that was changed meanwhile. */
const conflictSuffix = ".from-sandbox";

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

/** What a guest has at a path. */
interface Version {
  /** Whether it stands at a path of the host, where this is. */
  readonly isAt: (path: string, entry: HostEntry) => Promise<boolean>;
  /** Makes it where nothing is. */
  readonly make: (path: string) => Promise<void>;
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
    try {
      const conflict = await this.#carryOut(change);
      if (conflict === undefined) this.done.push(change.path);
      else this.conflicts.push(conflict);
    } catch (error) {
      if (!KelpieError.is(error) || !ofOnePath.includes(error.code)) throw error;
      this.conflicts.push(`${change.path} is left as it is on the host: ${error.message}`);
    }
  }

  /** Why it is not carried out as it is; undefined where it is. */
  async #carryOut(change: Change): Promise<string | undefined> {
    const target = join(this.#root, change.path);
    if (!(await this.#isInside(target)))
      return `${change.path} leads elsewhere on the host by now: it is left alone`;
    const status = await this.#files.lstat(target);
    const current = status === undefined ? undefined : entryOf(status);
    const isAsBefore = isSame(current, change.base);
    switch (change.kind) {
      case "remove":
        return await this.#remove(change.path, target, current, isAsBefore);
      case "directory":
        return await this.#makeDirectory(change.path, target, change.mode, current);
      case "symlink": {
        const version: Version = {
          isAt: async (path, { kind }) =>
            kind === "symlink" && (await this.#files.readLink(path)) === change.target,
          make: (path) => this.#files.symlink(change.target, path),
        };
        if (current !== undefined && (await version.isAt(target, current))) return undefined;
        return conflictOf(change.path, target, await this.#put(target, isAsBefore, version));
      }
      case "file":
        return await this.#putFile(change.path, target, change.node, current, isAsBefore);
      default:
        return change satisfies never;
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
  ): Promise<string | undefined> {
    if (current === undefined) return undefined;
    const isInUse = current.kind === "directory" && (await this.#files.list(target)).length > 0;
    if (!isAsBefore || isInUse)
      return `${path} was removed in the sandbox and changed on the host: it is kept`;
    await this.#files.remove(target);
    return undefined;
  }

  async #makeDirectory(
    path: string,
    target: string,
    mode: number,
    current: HostEntry | undefined,
  ): Promise<string | undefined> {
    if (current === undefined) await this.#files.makeNewDirectory(target, 0o700);
    else if (current.kind !== "directory")
      return `${path} is a directory in the sandbox and a ${current.kind} on the host: it is kept`;
    this.#modes.push([target, mode]);
    return undefined;
  }

  async #putFile(
    path: string,
    target: string,
    node: FileNode,
    current: HostEntry | undefined,
    isAsBefore: boolean,
  ): Promise<string | undefined> {
    const isAt: Version["isAt"] = (place, entry) => this.#holds(place, entry, node.content);
    if (current !== undefined && (await isAt(target, current))) {
      // The content is the same; where nobody else has touched it, its mode and time follow the guest's.
      if (isAsBefore) await this.#setMetadata(target, node, current);
      this.#written.set(node, Promise.resolve(target));
      return undefined;
    }
    const known = this.#written.get(node);
    const put = Promise.withResolvers<string>();
    if (known === undefined) {
      this.#written.set(node, put.promise);
      put.promise.catch(() => undefined);
    }
    try {
      const make: Version["make"] = async (temporary) => {
        if (known === undefined) await this.#writeFile(temporary, node);
        else await this.#files.hardLink(await known, temporary);
      };
      const place = await this.#put(target, isAsBefore, { isAt, make });
      put.resolve(place);
      return conflictOf(path, target, place);
    } catch (error) {
      put.reject(error);
      throw error;
    }
  }

  /** Puts the guest's version to its place, or beside it: under a temporary name first. Returns where it stands. */
  async #put(target: string, isAsBefore: boolean, version: Version): Promise<string> {
    if (isAsBefore) await this.#replace(target, version);
    return isAsBefore ? target : await this.#putBeside(target, version);
  }

  async #replace(target: string, { make }: Version): Promise<void> {
    const temporary = join(dirname(target), `.kelpie-${randomHex(this.#random, 8)}.tmp`);
    try {
      await make(temporary);
      await this.#files.rename(temporary, target);
    } finally {
      // Gone if it was moved; a hard link moved over itself stays.
      await this.#files.remove(temporary);
    }
  }

  /** A version that an earlier time has put there is not put there again: a sandbox may be brought home often. */
  async #putBeside(target: string, version: Version): Promise<string> {
    for (let count = 1; count <= maxConflictNames; count++) {
      const place = `${target}${conflictSuffix}${count === 1 ? "" : `.${count}`}`;
      const status = await this.#files.lstat(place);
      if (status !== undefined && (await version.isAt(place, entryOf(status)))) return place;
      if (status !== undefined) continue;
      await this.#replace(place, version);
      return place;
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

  async #holds(path: string, { kind, sizeBytes }: HostEntry, content: ByteSource): Promise<boolean> {
    if (kind !== "file" || sizeBytes !== content.sizeBytes) return false;
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

/** What is told of `path`, whose guest's version stands at `place`: nothing where that is its own place, `target`. */
function conflictOf(path: string, target: string, place: string): string | undefined {
  if (place === target) return undefined;
  const beside = `${path}${place.slice(target.length)}`;
  return `${path} was changed on the host meanwhile: that stays, and the sandbox's is ${beside}`;
}

function isSame(current: HostEntry | undefined, base: HostEntry | undefined): boolean {
  if (current === undefined || base === undefined) return current === base;
  return isSameEntry(current, base);
}
