// Whether this process's memory grows with what it does: samples of a soak, and a judgement on their slope.

import { readFileSync } from "node:fs";

/** What the process held after so many rounds. */
export interface MemorySample {
  readonly round: number;
  readonly bytes: {
    /** Resident and its own: what mapped files take is the page cache's. */
    readonly resident: number;
    /** Of V8's heap, in use. */
    readonly heap: number;
    /** Of buffers outside it, in use. */
    readonly external: number;
  };
}

type Kind = keyof MemorySample["bytes"];

/**
 * What a round may add in the second half. A leak of one object of Node's (a stream, a session, a signal) is more than this in
 * V8's heap; what is resident goes up and down by pages, arenas and semi-spaces, whose steps a slope over too few rounds sees.
 */
const boundBytesPerRound: Readonly<Record<Kind, number>> = { resident: 4096, heap: 256, external: 64 };

/** What the process holds now. Linux only. */
export function memorySample(round: number): MemorySample {
  const { heapUsed, external } = process.memoryUsage();
  const anonymous = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return { round, bytes: { resident: 1024 * Number(anonymous), heap: heapUsed, external } };
}

/** Bytes that each round adds, by least squares over the second half of the samples: the first warms up. */
export function slopes(samples: readonly MemorySample[]): Record<Kind, number> {
  const half = samples.slice(Math.floor(samples.length / 2));
  const mean = (pick: (sample: MemorySample) => number): number =>
    half.reduce((sum, sample) => sum + pick(sample), 0) / half.length;
  const middle = mean(({ round }) => round);
  const spread = half.reduce((sum, { round }) => sum + (round - middle) ** 2, 0);
  const slope = (kind: Kind): number => {
    const average = mean(({ bytes }) => bytes[kind]);
    return (
      half.reduce((sum, { round, bytes }) => sum + (round - middle) * (bytes[kind] - average), 0) / spread
    );
  };
  return { resident: slope("resident"), heap: slope("heap"), external: slope("external") };
}

/** Whether each kind of memory stays within its bound; words for a person. Fewer than four samples say nothing. */
export function judgeGrowth(samples: readonly MemorySample[]): {
  readonly isLevel: boolean;
  readonly text: string;
} {
  if (samples.length < 4) return { isLevel: true, text: "too few samples to say whether memory grows" };
  const found = Object.entries(slopes(samples)) as [Kind, number][];
  const lines = found.map(([kind, slope]) => {
    const bound = boundBytesPerRound[kind];
    return `${kind}: ${Math.round(slope)} bytes a round in the second half, at most ${bound}: ${slope <= bound ? "level" : "GROWS"}`;
  });
  return {
    isLevel: found.every(([kind, slope]) => slope <= boundBytesPerRound[kind]),
    text: lines.join("\n"),
  };
}
