// Names that a person, or a pull, has given to versions: `tags.json` in the store.

import { join } from "node:path";
import {
  KelpieError,
  type Platform,
  readTextIfPresent,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";
import { z } from "zod";

const maxTagsBytes = 4 << 20;

const names = z.record(z.string().max(1200), z.string().max(200));
const schema = z.strictObject({
  schemaVersion: z.literal(1),
  /** From a person's names to versions. */
  tags: names,
  /** From references to what was pulled by them, to versions: what is asked for again need not be asked of a registry. */
  references: names,
});

export type Tags = z.infer<typeof schema>;

const noTags: Tags = { schemaVersion: 1, tags: {}, references: {} };

/** The store's tags; none where there is no file, or one that cannot be read. */
export async function readTags({ files }: Pick<Platform, "files">, root: string): Promise<Tags> {
  const text = await readTextIfPresent(files, join(root, "tags.json"), maxTagsBytes);
  if (text === undefined) return noTags;
  const result = schema.safeParse(tryParseJson(text));
  return result.success ? result.data : noTags;
}

/** Writes what `change` makes of the tags. The caller holds the store's lock. */
export async function changeTags(
  platform: Platform,
  root: string,
  change: (tags: Tags) => Tags,
): Promise<void> {
  const before = await readTags(platform, root);
  const after = change(before);
  if (after === before) return;
  await writeFileAtomic(platform, join(root, "tags.json"), `${JSON.stringify(after, undefined, 2)}\n`);
}

/** Tags without those of versions that are gone; the same object where there are none. */
export function withoutVersions(tags: Tags, remaining: ReadonlySet<string>): Tags {
  const all = [...Object.values(tags.tags), ...Object.values(tags.references)];
  if (all.every((version) => remaining.has(version))) return tags;
  const kept = (names: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(Object.entries(names).filter(([, version]) => remaining.has(version)));
  return { schemaVersion: 1, tags: kept(tags.tags), references: kept(tags.references) };
}

/** The names that point to `version`. */
export function namesOf(all: Readonly<Record<string, string>>, version: string): readonly string[] {
  return Object.keys(all).filter((name) => all[name] === version);
}

/** @throws KelpieError `usage` for a name that means something else already. */
export function checkTagName(name: string): string {
  const isTaken = name === "latest" || /^\d+\.\d+(\.|$)/.test(name);
  if (/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/.test(name) && !isTaken) return name;
  throw new KelpieError("usage", "This cannot be the name of a tag", {
    expected: "up to 128 letters, digits, dots, hyphens and underscores, other than `latest` and versions",
    found: JSON.stringify(name.slice(0, 200)),
  });
}
