// What a file or a directory takes of the disk.

import { join } from "node:path";
import type { Files } from "@kelpie/platform";

/** Of a directory with all that is in it; nothing where nothing stands. Symlinks are not followed. */
export async function allocatedBytes(files: Files, path: string): Promise<number> {
  const status = await files.lstat(path);
  if (status === undefined) return 0;
  if (status.kind !== "directory") return status.allocatedBytes;
  let sum = status.allocatedBytes;
  for (const name of await files.list(path)) sum += await allocatedBytes(files, join(path, name));
  return sum;
}
