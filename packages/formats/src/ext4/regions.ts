// Numbers inodes by region: what belongs together then lies together, and where one region grows, shrinks or changes, the
// blocks of all others stay as they are, only elsewhere.

import { bytewise } from "../tree/bytewise.ts";
import { inodeNumber } from "./constants.ts";
import type { ScannedInode } from "./scan.ts";

/**
 * The same inodes with other numbers: by region in bytewise order, and in a region as they were. The root and lost+found,
 * whose numbers are fixed, stay.
 */
export function numberByRegion(
  inodes: readonly ScannedInode[],
  region: (path: string) => string,
): ScannedInode[] {
  const byRegion = new Map<string, ScannedInode[]>();
  for (const inode of inodes) {
    if (inode.number <= inodeNumber.lostAndFound) continue;
    const name = region(inode.path);
    const members = byRegion.get(name);
    if (members === undefined) byRegion.set(name, [inode]);
    else members.push(inode);
  }
  const numbers = new Map<number, number>();
  let next = inodeNumber.lostAndFound + 1;
  for (const name of [...byRegion.keys()].sort(bytewise))
    for (const { number } of byRegion.get(name) ?? []) numbers.set(number, next++);
  const renumbered = (number: number): number => numbers.get(number) ?? number;
  return inodes.map((inode) => ({
    ...inode,
    number: renumbered(inode.number),
    parent: renumbered(inode.parent),
    entries: inode.entries?.map((entry) => ({ ...entry, inode: renumbered(entry.inode) })),
  }));
}
