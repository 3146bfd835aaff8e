// What `npm run fuzz` (tools/fuzz.ts) and a fuzz target tell each other, by the environment: where to put what was found, and what to
// try again.

import { createHash } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** A run of a target, as a line of `runs.jsonl`. */
export interface FuzzRun {
  readonly name: string;
  readonly executions: number;
  readonly seconds: number;
  readonly accepted: number;
  readonly refused: number;
}

/** The inputs to try instead of all others; none for a target that is not wanted, or only listed. Undefined for an ordinary run. */
export function chosenInputs(name: string): readonly Uint8Array[] | undefined {
  const { KELPIE_FUZZ_ONLY: only, KELPIE_FUZZ_REPLAY: path, KELPIE_FUZZ_LIST: list } = process.env;
  if (list !== undefined) recordRun({ name, executions: 0, seconds: 0, accepted: 0, refused: 0 });
  if (list !== undefined || (only !== undefined && only !== name)) return [];
  return path === undefined ? undefined : [readFileSync(path)];
}

/** Where KELPIE_FUZZ_OUTPUT names a directory, adds the run to its list. */
export function recordRun(run: FuzzRun): void {
  const directory = process.env["KELPIE_FUZZ_OUTPUT"];
  if (directory !== undefined) appendFileSync(join(directory, "runs.jsonl"), `${JSON.stringify(run)}\n`);
}

/** Keeps an input that was met badly. The path, where there is a directory for it. */
export function saveInput(name: string, input: Uint8Array): string | undefined {
  const directory = process.env["KELPIE_FUZZ_OUTPUT"];
  if (directory === undefined || process.env["KELPIE_FUZZ_REPLAY"] !== undefined) return undefined;
  const digest = createHash("sha256").update(input).digest("hex").slice(0, 12);
  mkdirSync(directory, { recursive: true });
  const path = join(directory, `${name.replaceAll(/[^a-z0-9]+/gi, "-")}-${digest}.bin`);
  writeFileSync(path, input);
  return path;
}
