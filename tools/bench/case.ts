// The shape of a benchmark: what a *.bench.ts file exports, and what comes of it.

/** One thing whose time matters. A `*.bench.ts` file's default export is an array of these. */
export interface BenchCase {
  /** Unique words, from the large to the small: `ext4: write the minirootfs`. `npm run bench -- WORD` selects by them. */
  readonly name: string;
  /** What good means. It is shown beside what was measured; a case that misses it has not failed. */
  readonly goal?: BenchGoal;
  /** Measured runs, unless `--runs` says otherwise. Default 7. */
  readonly runs?: number;
  /** Runs before them that are not measured. Default 1. */
  readonly warmUps?: number;
  /** Makes ready what the runs need, in a process of the case's own, or says why this machine cannot. */
  readonly prepare: (context: BenchContext) => Promise<PreparedBench | BenchSkip> | PreparedBench | BenchSkip;
}

/** Each figure is the largest that is good. */
export interface BenchGoal {
  readonly medianMs?: number;
  /** Of the median to the reference's. */
  readonly ratio?: number;
  /** Of the case's own process. */
  readonly peakMebibytes?: number;
}

export interface BenchContext {
  /** An empty directory that goes away after the case. */
  readonly scratch: string;
  /** This checkout. */
  readonly checkout: string;
}

/** The reason why a case cannot run here, as a test's `skip`. */
export interface BenchSkip {
  readonly skip: string;
}

export interface PreparedBench {
  /** One run, until its promise is resolved. Where only a part of it counts, it returns that part's milliseconds. */
  readonly run: () => unknown;
  /** What is measured in turn with it, so that both meet the same machine. */
  readonly reference?: { readonly name: string; readonly run: PreparedBench["run"] };
  /** Before each run and each reference, not measured: clears what the one before left. */
  readonly reset?: () => unknown;
  /** After the last run, in any case. */
  readonly cleanUp?: () => unknown;
  /** Bytes that one run moves: gives MiB/s. */
  readonly bytes?: number;
  /** Operations in one run: times are divided by it. */
  readonly operations?: number;
  /** After the last run: what else was measured, in a line. */
  readonly note?: () => string;
}

/** Milliseconds (of one operation, where there are several in a run). */
export interface Timing {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: readonly number[];
}

export type BenchResult =
  | {
      readonly status: "measured";
      readonly name: string;
      readonly timing: Timing;
      readonly reference?: { readonly name: string; readonly timing: Timing };
      /** Of the medians. */
      readonly ratio?: number;
      readonly mebibytesPerSecond?: number;
      /** The most memory that the case's process had resident, preparation included. */
      readonly peakMebibytes: number;
      readonly goal?: BenchGoal;
      readonly note?: string;
    }
  | { readonly status: "skipped"; readonly name: string; readonly reason: string }
  | { readonly status: "failed"; readonly name: string; readonly reason: string };
