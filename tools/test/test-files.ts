// Runs test files, each in a process of its own: those that took longest the last time first, so that none of them is
// what the others wait for in the end.

import { glob } from "node:fs/promises";
import { join, relative } from "node:path";
import { run } from "node:test";
import { inspect } from "node:util";
import { root } from "./check.ts";
import { noteDurations, readDurations } from "./durations.ts";
import type { Outcome } from "./outcome.ts";

/** A file that hangs, with a server left open by a test that failed, must not hold up the others for ever. */
const fileTimeoutMs = 900_000;

/** Of the tests of a part, the files that take longest are named where they take as long as this. */
const slowFileMs = 500;
const slowFilesShown = 5;

export interface TestFilesOptions {
  /** Files at once. */
  readonly concurrency: number;
  readonly except?: RegExp;
  readonly env?: NodeJS.ProcessEnv;
}

/** The tests in files that match `pattern` and not `except`. */
export async function runTestFiles(
  pattern: string,
  { concurrency, except, env = process.env }: TestFilesOptions,
): Promise<Outcome> {
  const files = await Array.fromAsync(glob(pattern, { cwd: root, exclude: ["node_modules", "target"] }));
  const chosen = files.filter((file) => except?.test(file) !== true);
  const before = await readDurations();
  const orderOf = (file: string): number => before.get(file) ?? Number.MAX_SAFE_INTEGER;
  const ordered = chosen.sort().toSorted((a, b) => orderOf(b) - orderOf(a));
  const outcome = { passed: 0, failed: 0, skipped: 0 };
  const durations = new Map<string, number>();
  const stream = run({
    files: ordered.map((file) => join(root, file)),
    timeout: fileTimeoutMs,
    concurrency,
    cwd: root,
    env,
  });
  stream.on("test:pass", ({ name, skip, details }) => {
    if (details.type === "suite") return;
    if (skip === undefined || skip === false) {
      outcome.passed++;
      return;
    }
    outcome.skipped++;
    console.log(`  skipped: ${name}: ${skip === true ? "no reason given" : skip}`);
  });
  stream.on("test:fail", ({ name, file = "", line = 0, details: { error } }) => {
    if ("failureType" in error && error.failureType === "subtestsFailed") return;
    outcome.failed++;
    console.log(`  FAILED: ${name} (${relative(root, file)}:${line})\n${inspect(error.cause, { depth: 4 })}`);
  });
  stream.on("test:summary", ({ file, duration_ms: durationMs }) => {
    if (file !== undefined) durations.set(relative(root, file), durationMs);
  });
  stream.on("test:stderr", ({ message }) => {
    if (message.trim() !== "") console.log(`  ${message.trimEnd()}`);
  });
  // Reading the stream to its end is what drives the run.
  for await (const _ of stream);
  sayWhichWereSlow(durations);
  await noteDurations(durations);
  return outcome;
}

function sayWhichWereSlow(durations: ReadonlyMap<string, number>): void {
  const slowest = [...durations]
    .filter(([, durationMs]) => durationMs >= slowFileMs)
    .toSorted(([, a], [, b]) => b - a)
    .slice(0, slowFilesShown);
  for (const [file, durationMs] of slowest) console.log(`  ${(durationMs / 1000).toFixed(1)} s in ${file}`);
}
