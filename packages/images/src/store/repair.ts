// Brings a store in order: what can be made anew is made anew, and what nobody needs is swept.

import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import { leasedNames, leaseHolders } from "./leases.ts";
import { sweepContents } from "./shared-content.ts";
import { sweepStaging } from "./sweep.ts";
import { verifiedDirectory } from "./verified.ts";

/** Temporary files of atomic writes and of locks: nobody holds one for that long. */
const temporaryAgeMs = 3_600_000;

/** What was done. */
export interface Swept {
  /** Names below the store's directory. */
  readonly removed: readonly string[];
  readonly freedBytes: number;
}

/** Sweeps what no image and no living process needs, and forgets cache.json. The caller holds the store's lock. */
export async function sweepStore(
  platform: Platform,
  root: string,
  imageNames: ReadonlySet<string>,
): Promise<Swept> {
  const { files } = platform;
  const removed = [
    ...(await sweepStaging(platform, root)),
    ...(await sweepTemporaries(platform, root, ".")),
    ...(await sweepLeases(platform, root, imageNames)),
  ];
  const freedBytes = await sweepContents(platform, root);
  removed.push(...(await sweepRecords(platform, root)));
  await files.remove(join(root, "cache.json"));
  return { removed, freedBytes };
}

/** Those that stand directly in `directory`, a path below `root`. */
async function sweepTemporaries(
  { files, clock }: Platform,
  root: string,
  directory: string,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const entry of await files.list(join(root, directory))) {
    if (!/^\..+\.tmp$|^\.lock\.[0-9a-f]+$/.test(entry)) continue;
    const name = join(directory, entry);
    const status = await files.lstat(join(root, name));
    if (status === undefined || clock.nowMs() - status.mtimeMs < temporaryAgeMs) continue;
    await files.remove(join(root, name));
    removed.push(name);
  }
  return removed;
}

async function sweepLeases(
  platform: Platform,
  root: string,
  imageNames: ReadonlySet<string>,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of await leasedNames(platform, root)) {
    removed.push(...(await sweepTemporaries(platform, root, join(".leases", name))));
    const holders = await leaseHolders(platform, root, name);
    if (holders.length > 0 || imageNames.has(name)) continue;
    await platform.files.remove(join(root, ".leases", name));
    removed.push(join(".leases", name));
  }
  return removed;
}

/** Records of contents that the store does not have. */
async function sweepRecords({ files }: Platform, root: string): Promise<readonly string[]> {
  const directory = verifiedDirectory(root);
  if ((await files.stat(directory)) === undefined) return [];
  const removed: string[] = [];
  for (const name of await files.list(directory)) {
    if ((await files.stat(join(root, ".blobs", name))) !== undefined) continue;
    await files.remove(join(directory, name));
    removed.push(join(".verified", name));
  }
  return removed;
}
