// What must hold of the host, whatever an agent does: a call ends with a KelpieError when its time is over at the latest,
// and what it took is given back.

import assert from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { KelpieError, realPlatform } from "@kelpie/platform";

/** How late an end may come on a machine that is busy; leaving a process takes a second of it. */
const marginMs = 4000;
const sampleMs = 10;
const mebi = 1 << 20;

/** Runs a call until `withinMs`; it must end with a KelpieError by then. Returns that. */
export async function endsByError(
  name: string,
  withinMs: number,
  call: (signal: AbortSignal) => Promise<unknown>,
): Promise<KelpieError> {
  const startMs = performance.now();
  using deadline = realPlatform.clock.deadline(withinMs, name);
  try {
    await call(deadline.signal);
  } catch (error) {
    const tookMs = performance.now() - startMs;
    assert.ok(KelpieError.is(error), `${name}: ${String(error)}`);
    assert.notEqual(error.code, "internal", error.message);
    assert.ok(tookMs < withinMs + marginMs, `${name} took ${Math.round(tookMs)} ms`);
    // What reaches a terminal has no control sequences in it.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    assert.doesNotMatch(error.message, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/u);
    return error;
  }
  throw new assert.AssertionError({ message: `${name} succeeded` });
}

/** How much memory `run` has at most beyond what there was before, and afterwards; in MiB. */
export async function growth(run: () => Promise<unknown>): Promise<{ peakMiB: number; keptMiB: number }> {
  await collectGarbage();
  const before = used();
  let peak = before;
  const sampler = setInterval(() => {
    peak = Math.max(peak, used());
  }, sampleMs);
  try {
    await run();
  } finally {
    clearInterval(sampler);
  }
  await collectGarbage();
  return { peakMiB: (peak - before) / mebi, keptMiB: (used() - before) / mebi };
}

function used(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

setFlagsFromString("--expose-gc");
const collectOnce = runInNewContext("gc") as () => void;

/** Twice, as what one round lets go of may be all that held more; buffers are given back a little later. */
async function collectGarbage(): Promise<void> {
  for (let round = 0; round < 2; round++) {
    await new Promise((resolve) => setTimeout(resolve, sampleMs));
    collectOnce();
  }
}
