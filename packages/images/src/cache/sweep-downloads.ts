// What interrupted downloads have left in KELPIE_HOME/cache.

import { join } from "node:path";
import { acquireFileLock, type FileLock, KelpieError, type Platform, sweepLock } from "@kelpie/platform";
import { allocatedBytes } from "./allocated-bytes.ts";
import type { Swept } from "../store/sweep.ts";

/** Parts of pulls, by image; archives of releases. */
export const downloadRooms = ["cache/pulls", "cache/releases"];

/** Without another word, a beginning of a download is worth keeping for so long. */
export const downloadKeptMs = 7 * 86_400_000;

/**
 * Removes the locks of processes that died and whatever no process works on and nothing was added to for `unusedForMs`.
 * A younger beginning stays, so that the next download of that image goes on from there. Names are below `home`.
 */
export async function sweepDownloads(platform: Platform, home: string, unusedForMs: number): Promise<Swept> {
  const { files } = platform;
  const removed: string[] = [];
  let freedBytes = 0;
  for (const directory of downloadRooms) {
    if ((await files.stat(join(home, directory))) === undefined) continue;
    const names = await files.list(join(home, directory));
    for (const [what, members] of Map.groupBy(names, downloadOf)) {
      const lockPath = join(home, directory, `${what}.lock`);
      await using lock = await lockIfFree(platform, lockPath);
      if (lock === undefined) continue;
      removed.push(...(await sweepLock(platform, lockPath)).map((name) => join(directory, name)));
      for (const name of members) {
        const path = join(home, directory, name);
        const isContent = !name.startsWith(`${what}.lock`);
        if (isContent && (await ageOf(platform, path)) < unusedForMs) continue;
        // The lock is ours meanwhile, and goes when we let go of it.
        if (name !== `${what}.lock`) {
          freedBytes += await allocatedBytes(files, path);
          await files.remove(path);
        }
        removed.push(join(directory, name));
      }
    }
  }
  return { removed: [...new Set(removed)], freedBytes };
}

/** What a file of these directories belongs to: the image, or the archive. */
function downloadOf(name: string): string {
  return /^(.+?)\.lock(\.|$)/.exec(name)?.[1] ?? /^\.(.+)\.partial$/.exec(name)?.[1] ?? name;
}

async function lockIfFree(platform: Platform, path: string): Promise<FileLock | undefined> {
  try {
    return await acquireFileLock(platform, path, { purpose: "sweeping", timeoutMs: 0 });
  } catch (error) {
    if (KelpieError.is(error) && error.code === "in-use") return undefined;
    throw error;
  }
}

async function ageOf({ files, clock }: Platform, path: string): Promise<number> {
  const status = await files.lstat(path);
  return status === undefined ? Number.POSITIVE_INFINITY : clock.nowMs() - status.mtimeMs;
}
