// A file appears whole or not at all.

import { basename, dirname, join } from "node:path";
import type { FileHandle, Files } from "./files.ts";
import type { Host } from "./host.ts";
import { type Random, randomHex } from "./random.ts";

type Parts = { readonly files: Files; readonly random: Random; readonly host: Pick<Host, "pid"> };

/**
 * Writes `bytes` to `path` so that a reader, or a crash at any instant, sees the old content or the new,
 * never a part. The temporary file stands beside it, named `.<name>.<pid>-<random>.tmp`.
 */
export async function writeFileAtomic(
  platform: Parts,
  path: string,
  bytes: Uint8Array | string,
  permissions = 0o644,
): Promise<void> {
  await writeThenRename(platform, path, bytes, permissions, (handle) => handle.sync());
  await platform.files.syncDirectory(dirname(path));
}

/**
 * As {@link writeFileAtomic}, for what can be made anew: a reader sees the old content or the new, and nothing waits for the
 * disk, so that a crash of the machine can leave an empty file.
 */
export async function replaceFile(platform: Parts, path: string, bytes: Uint8Array | string): Promise<void> {
  await writeThenRename(platform, path, bytes, 0o644, () => Promise.resolve());
}

async function writeThenRename(
  { files, random, host }: Parts,
  path: string,
  bytes: Uint8Array | string,
  permissions: number,
  settle: (handle: FileHandle) => Promise<void>,
): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${host.pid}-${randomHex(random, 6)}.tmp`);
  try {
    {
      await using handle = await files.open(temporary, "create", permissions);
      await handle.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes, 0);
      await settle(handle);
    }
    await files.rename(temporary, path);
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
}

/** The process that a file of such a name is being written by, or undefined for any other name. */
export function temporaryFileOwner(name: string): number | undefined {
  const pid = /^\..+\.(\d{1,10})-[0-9a-f]+\.tmp$/.exec(name)?.[1];
  return pid === undefined ? undefined : Number(pid);
}
