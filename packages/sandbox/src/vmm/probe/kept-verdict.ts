// What a probe found out, kept in `KELPIE_HOME/cache` for as long as what it depends on stays the same.

import { join } from "node:path";
import {
  type Files,
  type Platform,
  readTextIfPresent,
  tryParseJson,
  writeFileAtomic,
} from "@kelpie/platform";

const recordLimitBytes = 16 << 10;

/** What a probe found. */
export type ProbeResult =
  | { readonly works: true }
  /** `reason` is for a person: the monitor's words, or that nothing came. */
  | { readonly works: false; readonly reason: string };

/** The result that is kept under `name` for `key`, or what `probe` finds now. `isNews`: it was found out just now. */
export async function keptVerdict(
  platform: Pick<Platform, "files" | "host" | "random">,
  home: string,
  name: string,
  key: string,
  probe: () => Promise<ProbeResult>,
): Promise<{ readonly result: ProbeResult; readonly isNews: boolean }> {
  const directory = join(home, "cache");
  const path = join(directory, `${name}.json`);
  const known = await readRecord(platform.files, path, key);
  if (known !== undefined) return { result: known, isNews: false };
  const result = await probe();
  await platform.files.makeDirectory(directory);
  await writeFileAtomic(platform, path, `${JSON.stringify({ key, ...result })}\n`);
  return { result, isNews: true };
}

/** The kept result for `key`; undefined where there is none, or it is another's, or it cannot be read. */
async function readRecord(files: Files, path: string, key: string): Promise<ProbeResult | undefined> {
  const text = await readTextIfPresent(files, path, recordLimitBytes);
  if (text === undefined) return undefined;
  const record = tryParseJson(text);
  if (typeof record !== "object" || record === null || !("key" in record) || !("works" in record)) {
    return undefined;
  }
  if (record.key !== key) return undefined;
  if (record.works === true) return { works: true };
  return "reason" in record && typeof record.reason === "string"
    ? { works: false, reason: record.reason }
    : undefined;
}
