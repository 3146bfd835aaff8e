// What is written down of a directory on a disk, so that another process can bring it home.

import { join } from "node:path";
import { KelpieError, type Platform, tryParseJson, writeFileAtomic } from "@kelpie/platform";
import { z } from "zod";
import type { HostEntry } from "./host-tree.ts";
import type { Share } from "./share.ts";

const recordLimitBytes = 128 << 20;
const suffix = ".share.json";

/** A share whose disk a guest has. */
export interface ShareRecord {
  readonly share: Share;
  readonly name: string;
  /** The directory, without symlinks in its path. */
  readonly root: string;
  /** The disk's file. */
  readonly disk: string;
  /** What the host had when guest and host were last the same. */
  readonly entries: ReadonlyMap<string, HostEntry>;
}

const schema = z.strictObject({
  schema: z.literal(1),
  share: z.strictObject({ source: z.string(), target: z.string(), readOnly: z.boolean() }),
  name: z.string(),
  root: z.string(),
  disk: z.string(),
  entries: z.array(
    z.tuple([
      z.string(),
      z.strictObject({
        kind: z.enum(["file", "directory", "symlink"]),
        sizeBytes: z.number(),
        mode: z.number(),
        mtimeMs: z.number(),
        inode: z.number(),
        device: z.number(),
      }),
    ]),
  ),
});

export async function writeShareRecord(
  platform: Pick<Platform, "files" | "host" | "random">,
  directory: string,
  record: ShareRecord,
): Promise<void> {
  const text = JSON.stringify({ schema: 1, ...record, entries: [...record.entries] });
  await writeFileAtomic(platform, join(directory, `${record.name}${suffix}`), text, 0o600);
}

/** All that stand in a sandbox's directory. `malformed` for one that is none of ours. */
export async function readShareRecords(
  { files }: Pick<Platform, "files">,
  directory: string,
): Promise<ShareRecord[]> {
  const names = (await files.list(directory)).filter((name) => name.endsWith(suffix));
  return await Promise.all(
    names.map(async (name) => {
      const path = join(directory, name);
      const parsed = schema.safeParse(tryParseJson(await files.readFile(path, recordLimitBytes)));
      if (!parsed.success)
        throw new KelpieError("malformed", "A record of a shared directory cannot be read", { where: path });
      const { entries, schema: _, ...rest } = parsed.data;
      return { ...rest, entries: new Map(entries) };
    }),
  );
}
