// Locks on the disk, read and written as the commands do it.

import { type ImageLock, lockText, maxLockBytes, parseLock } from "@kelpie/images";
import { type Platform, writeFileAtomic } from "@kelpie/platform";

/** The lock at `path`; an empty one where none stands. @throws KelpieError `malformed`. */
export async function readLockFile({ files }: Pick<Platform, "files">, path: string): Promise<ImageLock> {
  if ((await files.stat(path)) === undefined) return {};
  return parseLock(new TextDecoder().decode(await files.readFile(path, maxLockBytes)), path);
}

/** Writes a lock as a whole or not at all. */
export async function writeLockFile(
  platform: Pick<Platform, "files" | "host" | "random">,
  path: string,
  lock: ImageLock,
): Promise<void> {
  await writeFileAtomic(platform, path, lockText(lock));
}
