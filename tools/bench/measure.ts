// Runs one case: warm-up, then the case and its reference in turn.

import { performance } from "node:perf_hooks";
import type { BenchCase, BenchContext, BenchResult, PreparedBench, Timing } from "./case.ts";

const defaultRuns = 7;
const defaultWarmUps = 1;
const bytesPerMebibyte = 1024 ** 2;

/** Prepares and runs a case. `runs` replaces the case's own number. */
export async function measureCase(
  benchCase: BenchCase,
  context: BenchContext,
  runs = benchCase.runs ?? defaultRuns,
): Promise<BenchResult> {
  const { name, goal } = benchCase;
  const prepared = await benchCase.prepare(context);
  if ("skip" in prepared) return { status: "skipped", name, reason: prepared.skip };
  try {
    const [own, others] = await sample(prepared, benchCase.warmUps ?? defaultWarmUps, runs);
    const { operations = 1, bytes, reference, note } = prepared;
    const timing = timingOf(own, operations);
    const compared = reference && { name: reference.name, timing: timingOf(others, operations) };
    return {
      status: "measured",
      name,
      timing,
      ...(compared && { reference: compared, ratio: timing.median / compared.timing.median }),
      ...(bytes !== undefined && {
        mebibytesPerSecond: bytes / bytesPerMebibyte / ((timing.median * operations) / 1000),
      }),
      peakMebibytes: process.resourceUsage().maxRSS / 1024,
      ...(goal && { goal }),
      ...(note && { note: note() }),
    };
  } finally {
    await prepared.cleanUp?.();
  }
}

async function sample(prepared: PreparedBench, warmUps: number, runs: number): Promise<[number[], number[]]> {
  const own: number[] = [];
  const others: number[] = [];
  for (let round = -warmUps; round < runs; round += 1) {
    const time = await timeOf(prepared.run, prepared);
    const other = prepared.reference && (await timeOf(prepared.reference.run, prepared));
    if (round < 0) continue;
    own.push(time);
    if (other !== undefined) others.push(other);
  }
  return [own, others];
}

async function timeOf(run: PreparedBench["run"], prepared: PreparedBench): Promise<number> {
  await prepared.reset?.();
  const start = performance.now();
  const own = await run();
  return typeof own === "number" ? own : performance.now() - start;
}

/** Median (the mean of the middle two of an even number), least and most, each divided by `operations`. */
export function timingOf(times: readonly number[], operations = 1): Timing {
  const samples = times.map((time) => time / operations);
  const sorted = samples.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = sorted.length / 2;
  const median = Number.isInteger(middle) ? (at(middle - 1) + at(middle)) / 2 : at(Math.floor(middle));
  return { median, min: at(0), max: at(sorted.length - 1), samples };
}
