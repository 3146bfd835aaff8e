// A small mutation fuzzer for parsers: any input gives a value or a KelpieError, in bounded time. It is deterministic, so that
// a failure names the one input that shows it.

import { KelpieError } from "@kelpie/platform";
import { chosenInputs, recordRun, saveInput } from "./fuzz-record.ts";
import { generator, mutate } from "./mutate.ts";

export interface FuzzOptions {
  /** Unique: `npm run fuzz -- --only NAME`, and the name of what is saved of it. */
  readonly name: string;
  /** Valid inputs and interesting ones, from which all others are made. */
  readonly corpus: readonly Uint8Array[];
  /** Gives the input to the parser and reads everything that it offers. */
  readonly run: (input: Uint8Array) => unknown;
  /** Makes checksums of a mutated input right again, so that the mutation gets past them. Tried on every second input. */
  readonly repair?: (input: Uint8Array) => Uint8Array;
  /** Inputs to try, unless KELPIE_FUZZ_SECONDS asks for longer. Default 500. */
  readonly runs?: number;
  /** Where the pseudo-random sequence begins. Default 1. */
  readonly seed?: number;
  /** One input may take this long. Default 2000. */
  readonly maxMsPerInput?: number;
}

/** How many inputs were taken and how many refused: a target that refuses all of them tests nothing. */
export interface FuzzResult {
  readonly accepted: number;
  readonly refused: number;
}

const defaultRuns = 500;
const defaultMaxMsPerInput = 2000;

/** Runs the parser over mutations of its corpus. Throws on the first input that it meets badly, with the input in hex. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const chosen = chosenInputs(options.name);
  if (chosen !== undefined) return tryOnly(options, chosen);
  const random = generator(options.seed ?? 1);
  const start = performance.now();
  const end = start + Number(process.env["KELPIE_FUZZ_SECONDS"] ?? 0) * 1000;
  const result = { accepted: 0, refused: 0 };
  const runs = options.runs ?? defaultRuns;
  let executions = 0;
  for (; executions < runs || performance.now() < end; executions += 1) {
    const mutated =
      executions < options.corpus.length ? options.corpus[executions] : mutate(options.corpus, random);
    const input = mutated ?? new Uint8Array(0);
    const repaired = executions % 2 === 1 ? (options.repair?.(input) ?? input) : input;
    await tryInput(options, repaired, result);
  }
  recordRun({ name: options.name, executions, seconds: (performance.now() - start) / 1000, ...result });
  return result;
}

/** These inputs and no others; counts that satisfy whoever expects some of each. */
async function tryOnly(options: FuzzOptions, inputs: readonly Uint8Array[]): Promise<FuzzResult> {
  for (const input of inputs) await tryInput(options, input, { accepted: 0, refused: 0 });
  return { accepted: Infinity, refused: Infinity };
}

async function tryInput(
  options: FuzzOptions,
  input: Uint8Array,
  result: { accepted: number; refused: number },
): Promise<void> {
  const maxMs = options.maxMsPerInput ?? defaultMaxMsPerInput;
  const start = performance.now();
  try {
    await options.run(input);
    result.accepted += 1;
  } catch (cause) {
    // "internal" means a defect of ours, and so does anything that is not a KelpieError.
    if (!KelpieError.is(cause) || cause.code === "internal")
      throw found(options.name, "fails on", input, cause);
    result.refused += 1;
  }
  const tookMs = performance.now() - start;
  if (tookMs > maxMs) throw found(options.name, `takes ${Math.round(tookMs)} ms for`, input);
}

function found(name: string, what: string, input: Uint8Array, cause?: unknown): Error {
  const hex = Buffer.from(input.subarray(0, 4096)).toString("hex");
  const saved = saveInput(name, input);
  const where = saved === undefined ? hex : `${saved}: ${hex}`;
  return new Error(`The parser of "${name}" ${what} ${input.length} bytes: ${where}`, { cause });
}
