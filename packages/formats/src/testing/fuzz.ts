// A small mutation fuzzer for parsers: any input gives a value or a KelpieError, in bounded time. It is deterministic, so that
// a failure names the one input that shows it.

import { KelpieError } from "@kelpie/platform";

export interface FuzzOptions {
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
const maxInputBytes = 1 << 20;
const interestingBytes = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x2f, 0x30, 0x37, 0x20, 0x2e];

/** Runs the parser over mutations of its corpus. Throws on the first input that it meets badly, with the input in hex. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const random = generator(options.seed ?? 1);
  const seconds = Number(process.env["KELPIE_FUZZ_SECONDS"] ?? 0);
  const end = performance.now() + seconds * 1000;
  const result = { accepted: 0, refused: 0 };
  const runs = options.runs ?? defaultRuns;
  for (let run = 0; run < runs || performance.now() < end; run += 1) {
    const mutated = run < options.corpus.length ? options.corpus[run] : mutate(options.corpus, random);
    const input = mutated ?? new Uint8Array(0);
    await tryInput(options, run % 2 === 1 ? (options.repair?.(input) ?? input) : input, result);
  }
  return result;
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
    if (!KelpieError.is(cause) || cause.code === "internal") {
      throw new Error(`A parser fails on ${input.length} bytes: ${hex(input)}`, { cause });
    }
    result.refused += 1;
  }
  const tookMs = performance.now() - start;
  if (tookMs > maxMs) {
    throw new Error(`A parser takes ${Math.round(tookMs)} ms for ${input.length} bytes: ${hex(input)}`);
  }
}

type Generator32 = (below: number) => number;

/** A linear congruential generator over 48 bits (as drand48), of which the upper 31 are used. */
function generator(seed: number): Generator32 {
  let state = (BigInt(seed) << 16n) | 0x330en;
  return (below) => {
    state = (state * 0x5deece66dn + 0xbn) & 0xffffffffffffn;
    return below <= 0 ? 0 : Number(state >> 17n) % below;
  };
}

function mutate(corpus: readonly Uint8Array[], random: Generator32): Uint8Array {
  const pick = (): Uint8Array => corpus[random(corpus.length)] ?? new Uint8Array(0);
  let bytes = new Uint8Array(pick());
  for (let count = 1 + random(4); count > 0; count -= 1) bytes = mutateOnce(bytes, pick(), random);
  return bytes.subarray(0, maxInputBytes);
}

function mutateOnce(
  bytes: Uint8Array<ArrayBuffer>,
  other: Uint8Array,
  random: Generator32,
): Uint8Array<ArrayBuffer> {
  const at = random(bytes.length);
  const length = 1 + random(Math.min(64, bytes.length));
  switch (random(8)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
      return bytes;
    case 1:
      bytes[at] = interestingBytes[random(interestingBytes.length)] ?? 0;
      return bytes;
    case 2:
      bytes[at] = random(256);
      return bytes;
    case 3:
      bytes.fill(interestingBytes[random(interestingBytes.length)] ?? 0, at, at + length);
      return bytes;
    case 4:
      return bytes.slice(0, at);
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 6:
      return joined(bytes.subarray(0, at + length), bytes.subarray(at));
    default:
      return joined(bytes.subarray(0, at), other.subarray(random(other.length)));
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

function hex(input: Uint8Array): string {
  return Buffer.from(input.subarray(0, 4096)).toString("hex");
}
