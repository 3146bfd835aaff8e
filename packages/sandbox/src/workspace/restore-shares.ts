// The shares of a sandbox that another process has made, as far as they must be brought home.

import type { Platform } from "@kelpie/platform";
import type { Attachment } from "../lifecycle/attachment.ts";
import { DiskShare } from "./disk-share.ts";
import { readShareRecords } from "./share-record.ts";

/** Those of the sandbox whose directory is `directory`. */
export async function restoreDiskShares(
  platform: Platform,
  home: string,
  directory: string,
): Promise<Attachment[]> {
  const records = await readShareRecords(platform, directory);
  return records.map((record) => DiskShare.restore(platform, home, record));
}
