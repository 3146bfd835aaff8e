// A file appears whole or not at all.

import { basename, dirname, join } from "node:path";
import type { Files } from "./files.ts";
import { type Random, randomHex } from "./random.ts";

/**
 * Writes `bytes` to `path` so that a reader, or a crash at any instant, sees the old content or the new,
 * never a part. The temporary file stands beside it, named `.<name>.<random>.tmp`.
 */
export async function writeFileAtomic(
  { files, random }: { readonly files: Files; readonly random: Random },
  path: string,
  bytes: Uint8Array | string,
  permissions = 0o644,
): Promise<void> {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.${randomHex(random, 6)}.tmp`);
  try {
    {
      await using handle = await files.open(temporary, "create", permissions);
      await handle.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes, 0);
      await handle.sync();
    }
    await files.rename(temporary, path);
    await files.syncDirectory(directory);
  } catch (error) {
    await files.remove(temporary);
    throw error;
  }
}
