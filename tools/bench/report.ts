// What was measured, as lines for people.

import type { BenchGoal, BenchResult, Timing } from "./case.ts";

/** One result in a line, and one more for each of a reference, goals and a note. */
export function describeResult(result: BenchResult): string {
  switch (result.status) {
    case "skipped":
      return `${result.name}\n  skipped: ${result.reason}`;
    case "failed":
      return `${result.name}\n  FAILED: ${result.reason}`;
    case "measured": {
      const { timing, reference, ratio = Number.NaN, mebibytesPerSecond, peakMebibytes, goal, note } = result;
      const rate = mebibytesPerSecond === undefined ? "" : `, ${mebibytesPerSecond.toFixed(0)} MiB/s`;
      const lines = [
        result.name,
        `  ${describeTiming(timing)}${rate}, ${peakMebibytes.toFixed(0)} MiB resident`,
      ];
      if (reference !== undefined)
        lines.push(`  ${describeTiming(reference.timing)} for ${reference.name}: ratio ${ratio.toFixed(2)}`);
      if (goal !== undefined)
        lines.push(
          `  goals: ${describeGoal(goal, { medianMs: timing.median, ratio, peakMebibytes }).join(", ")}`,
        );
      if (note !== undefined) lines.push(`  ${note}`);
      return lines.join("\n");
    }
    default:
      return result satisfies never;
  }
}

function describeTiming({ median, min, max, samples }: Timing): string {
  return `median ${milliseconds(median)}, ${milliseconds(min)} to ${milliseconds(max)}, ${samples.length} runs`;
}

/** Three digits that count: 0.0123 ms, 12.3 ms, 1230 ms. */
function milliseconds(value: number): string {
  return `${value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3))} ms`;
}

const goalWords: Readonly<Record<keyof BenchGoal, (limit: number) => string>> = {
  medianMs: (limit) => `median at most ${limit} ms`,
  ratio: (limit) => `ratio at most ${limit}`,
  peakMebibytes: (limit) => `at most ${limit} MiB`,
};

function describeGoal(goal: BenchGoal, found: Required<BenchGoal>): string[] {
  const names: readonly (keyof BenchGoal)[] = ["medianMs", "ratio", "peakMebibytes"];
  return names.flatMap((name) => {
    const limit = goal[name];
    if (limit === undefined) return [];
    return [`${goalWords[name](limit)}: ${found[name] <= limit ? "met" : "missed"}`];
  });
}
