// What processes that died have left in the store.

import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import { nameOfReplaced, stagingOwner } from "./layout.ts";

/** Removes what dead processes left, and puts back an image whose replacement never came. The caller holds the store's lock. */
export async function sweepStaging(
  { files, processes }: Pick<Platform, "files" | "processes">,
  root: string,
): Promise<readonly string[]> {
  const swept: string[] = [];
  for (const name of await files.list(root)) {
    const path = join(root, name);
    const owner = stagingOwner(name);
    if (owner !== undefined && !processes.isAlive(owner)) {
      await files.remove(path);
      swept.push(name);
    }
    const original = nameOfReplaced(name);
    if (original === undefined) continue;
    const target = join(root, original);
    if ((await files.lstat(target)) === undefined) await files.rename(path, target);
    else await files.remove(path);
    swept.push(name);
  }
  return swept;
}
