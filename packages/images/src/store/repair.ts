// Brings a store in order: what can be made anew is made anew, and what nobody needs is swept.

import { join } from "node:path";
import { type Platform, temporaryFileOwner } from "@kelpie/platform";
import { leasedNames, leaseHolders } from "./leases.ts";
import { sweepContents } from "./shared-content.ts";
import { sweepLeftovers, type Swept } from "./sweep.ts";
import { verifiedDirectory } from "./verified.ts";

/** Sweeps what no image and no living process needs, and forgets cache.json. The caller holds the store's lock. */
export async function sweepStore(
  platform: Platform,
  root: string,
  imageNames: ReadonlySet<string>,
): Promise<Swept> {
  const { files } = platform;
  const leftovers = await sweepLeftovers(platform, root);
  const leases = await sweepLeases(platform, root, imageNames);
  const freedBytes = leftovers.freedBytes + (await sweepContents(platform, root));
  const removed = [...leftovers.removed, ...leases, ...(await sweepRecords(platform, root))];
  await files.remove(join(root, "cache.json"));
  return { removed, freedBytes };
}

async function sweepLeases(
  platform: Platform,
  root: string,
  imageNames: ReadonlySet<string>,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const name of await leasedNames(platform, root)) {
    removed.push(...(await sweepUnwritten(platform, root, join(".leases", name))));
    const holders = await leaseHolders(platform, root, name);
    if (holders.length > 0 || imageNames.has(name)) continue;
    await platform.files.remove(join(root, ".leases", name));
    removed.push(join(".leases", name));
  }
  return removed;
}

/** Files in `directory`, a path below `root`, whose writer died. */
async function sweepUnwritten(
  { files, processes }: Platform,
  root: string,
  directory: string,
): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const entry of await files.list(join(root, directory))) {
    const owner = temporaryFileOwner(entry);
    if (owner === undefined || processes.isAlive(owner)) continue;
    await files.remove(join(root, directory, entry));
    removed.push(join(directory, entry));
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
