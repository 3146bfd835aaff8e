// What processes that died have left in the store.

import { join } from "node:path";
import { isSameProcessAlive, type Platform, sweepLock, temporaryFileOwner } from "@kelpie/platform";
import { nameOfReplaced, stagingOwner } from "./layout.ts";
import { sweepContents } from "./shared-content.ts";

/** A lock, held or not, and what stands for a moment while that of a process that died is taken over. */
const lockForm = /^\.lock(\.[0-9a-f]{16}(\..*)?)?$/;

/** What was done. */
export interface Swept {
  /** Names below the store's directory. */
  readonly removed: readonly string[];
  readonly freedBytes: number;
}

/** Directories of the store in which files are written by name and rename. */
const written = [".", ".verified"];

/** Whether one of `names`, those in the store's directory, may have been left by a process that died. */
export async function hasLeftovers(
  platform: Pick<Platform, "files" | "processes">,
  names: readonly string[],
): Promise<boolean> {
  for (const name of names.filter((each) => each.startsWith(".")))
    if (lockForm.test(name) || (await isLeftover(platform, name))) return true;
  return false;
}

/**
 * Removes what processes that died have left, and puts back an image whose replacement never came. The caller holds the
 * store's lock.
 */
export async function sweepLeftovers(platform: Platform, root: string): Promise<Swept> {
  const { files } = platform;
  const removed = [...(await sweepLock(platform, lockPath(root)))];
  for (const directory of written) {
    if (directory !== "." && (await files.stat(join(root, directory))) === undefined) continue;
    for (const entry of await files.list(join(root, directory))) {
      if (!(await isLeftover(platform, entry))) continue;
      const name = join(directory, entry);
      const original = nameOfReplaced(entry);
      const target = original === undefined ? undefined : join(root, original);
      if (target !== undefined && (await files.lstat(target)) === undefined)
        await files.rename(join(root, name), target);
      else await files.remove(join(root, name));
      removed.push(name);
    }
  }
  // What was being installed may have been the only one with its content.
  const freedBytes = removed.length > 0 ? await sweepContents(platform, root) : 0;
  return { removed, freedBytes };
}

/** The lock of the store at `root`. */
export function lockPath(root: string): string {
  return join(root, ".lock");
}

async function isLeftover(platform: Pick<Platform, "files" | "processes">, name: string): Promise<boolean> {
  // Set aside for a moment by whoever holds the lock: whoever sees one and holds the lock himself sees a crash.
  if (nameOfReplaced(name) !== undefined) return true;
  const owner = stagingOwner(name);
  if (owner !== undefined) return !(await isSameProcessAlive(platform, owner));
  const pid = temporaryFileOwner(name) ?? lockCandidateOwner(name);
  return pid !== undefined && !platform.processes.isAlive(pid);
}

function lockCandidateOwner(name: string): number | undefined {
  const pid = /^\.lock\.(\d{1,10})-[0-9a-f]+$/.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}
