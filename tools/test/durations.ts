// How long each test file took the last time. Nothing but the order depends on it, so that it may be missing or wrong.

import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { root } from "./check.ts";

const path = join(root, "target/test-durations.json");

/** Milliseconds, by the file's path in the repository. */
export async function readDurations(): Promise<ReadonlyMap<string, number>> {
  const text = await readFile(path, "utf8").catch(() => "{}");
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read !== "object" || read === null) return new Map();
    return new Map(
      Object.entries(read).filter((entry): entry is [string, number] => typeof entry[1] === "number"),
    );
  } catch {
    return new Map();
  }
}

let last: Promise<void> = Promise.resolve();

/** Adds to what is known. Parts that end at the same time wait for each other. */
export function noteDurations(durations: ReadonlyMap<string, number>): Promise<void> {
  last = last.then(async () => {
    const rounded = [...durations].map(([file, durationMs]) => [file, Math.round(durationMs)] as const);
    const all = Object.fromEntries([...(await readDurations()), ...rounded]);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(`${path}.new`, `${JSON.stringify(all, null, 2)}\n`);
    await rename(`${path}.new`, path);
  });
  return last;
}
