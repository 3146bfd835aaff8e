// What tells, without reading it, that a file is the one that was looked at before.

import type { Files } from "@kelpie/platform";

/** Device, inode, size and time of a file; undefined where there is none. */
export async function fileStamp(files: Files, path: string): Promise<string | undefined> {
  const status = await files.stat(path);
  return status === undefined
    ? undefined
    : `${status.device}:${status.inode}:${status.sizeBytes}:${status.mtimeMs}`;
}
