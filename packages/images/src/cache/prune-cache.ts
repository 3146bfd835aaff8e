// What builds and downloads keep in KELPIE_HOME/cache can be had again, so that what is old may go.

import { join } from "node:path";
import { type Files, KelpieError, type Platform, randomHex } from "@kelpie/platform";
import { allocatedBytes } from "./allocated-bytes.ts";
import { downloadRooms, sweepDownloads } from "./sweep-downloads.ts";

/** Directories whose entries are each whole and named by their content. Tools and compilers are none of them. */
const rooms = [
  "cache/alpine/data",
  "cache/alpine/packages",
  "cache/base",
  "cache/debian/archives",
  "cache/debian/unpacked",
  "cache/guest",
  "cache/kernel",
  "cache/vendored",
];

const prunedPrefix = ".pruned.";

/** An entry of the cache that is older than it may be. */
export interface CacheVerdict {
  /** Below KELPIE_HOME. */
  readonly path: string;
  readonly sizeBytes: number;
}

/**
 * What is in the cache and came, or was last added to, more than `olderThanMs` ago: packages, base tarballs, compiled
 * programs and kernels, and what interrupted downloads have left. In bytewise order.
 */
export async function planCachePrune(
  platform: Pick<Platform, "clock" | "files">,
  home: string,
  olderThanMs: number,
): Promise<readonly CacheVerdict[]> {
  const { files, clock } = platform;
  const verdicts: CacheVerdict[] = [];
  for (const room of [...rooms, ...downloadRooms].toSorted()) {
    if ((await files.stat(join(home, room))) === undefined) continue;
    for (const name of await files.list(join(home, room))) {
      const path = join(room, name);
      const status = await files.lstat(join(home, path));
      // A lock is its holder's, and says nothing of what it is for.
      if (status === undefined || /\.lock(\.|$)/.test(name)) continue;
      if (clock.nowMs() - status.mtimeMs <= olderThanMs) continue;
      verdicts.push({ path, sizeBytes: await allocatedBytes(files, join(home, path)) });
    }
  }
  return verdicts;
}

/** Removes what {@link planCachePrune} has found, each entry as a whole, and leaves what a process downloads now. */
export async function pruneCache(
  platform: Platform,
  home: string,
  verdicts: readonly CacheVerdict[],
  olderThanMs: number,
): Promise<void> {
  const { files, random } = platform;
  const cache = join(home, "cache");
  if ((await files.stat(cache)) === undefined) return;
  // Who reads an entry now has all of it or misses all of it.
  for (const { path } of verdicts)
    if (!downloadRooms.some((room) => path.startsWith(`${room}/`)))
      await moveIfThere(files, join(home, path), join(cache, `${prunedPrefix}${randomHex(random, 6)}`));
  // Those of a prune that was killed too.
  for (const name of await files.list(cache))
    if (name.startsWith(prunedPrefix)) await files.remove(join(cache, name));
  await sweepDownloads(platform, home, olderThanMs);
}

/** Another prune may have been faster. */
async function moveIfThere(files: Files, from: string, to: string): Promise<void> {
  try {
    await files.rename(from, to);
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "not-found") throw error;
  }
}
