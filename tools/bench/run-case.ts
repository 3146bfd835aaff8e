// One case in a process of its own, so that its memory is its own and a crash ends nothing else.
// Started by bench.ts: run-case.ts FILE NAME [RUNS].

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import type { BenchResult } from "./case.ts";
import { loadCases } from "./load.ts";
import { measureCase } from "./measure.ts";

const checkout = join(import.meta.dirname, "../..");
const [, , file = "", name = "", runs] = process.argv;
const scratch = mkdtempSync(join(tmpdir(), "kelpie-bench-"));

async function measure(): Promise<BenchResult> {
  try {
    const benchCase = (await loadCases(checkout, file)).find((candidate) => candidate.name === name);
    if (benchCase === undefined) return { status: "failed", name, reason: `${file} has no such case` };
    return await measureCase(benchCase, { scratch, checkout }, runs === undefined ? undefined : Number(runs));
  } catch (error) {
    return { status: "failed", name, reason: inspect(error) };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const result = await measure();
// What a case left open must not keep the process.
process.send?.(result, () => process.exit());
