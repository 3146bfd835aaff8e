// What a build says while it goes on.

import type { Clock } from "@kelpie/platform";

/** The parts of a build, in their order. */
export const buildPhases = [
  "plan",
  "guest",
  "packages",
  "kernel",
  "tree",
  "rootfs",
  "initrd",
  "sbom",
] as const;
export type BuildPhase = (typeof buildPhases)[number];

export type BuildProgress =
  | { readonly kind: "started"; readonly phase: BuildPhase }
  /** What is going on just now, for a person. */
  | { readonly kind: "working"; readonly phase: BuildPhase; readonly note: string }
  | {
      readonly kind: "finished";
      readonly phase: BuildPhase;
      readonly durationMs: number;
      /** The outcome in a few words: "23 packages, 9.1 MB". */
      readonly summary: string;
    };

/** Reports phases with their times. */
export class BuildReporter {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #report: (progress: BuildProgress) => void;
  readonly #signal: AbortSignal | undefined;

  constructor(
    clock: Pick<Clock, "monotonicMs">,
    report: (progress: BuildProgress) => void,
    signal: AbortSignal | undefined,
  ) {
    this.#clock = clock;
    this.#report = report;
    this.#signal = signal;
  }

  /** Runs one phase; a build that was cancelled ends before it or behind it. */
  async run<T>(
    phase: BuildPhase,
    work: (note: (text: string) => void) => Promise<T>,
    summary: (result: T) => string,
  ): Promise<T> {
    this.#signal?.throwIfAborted();
    const start = this.#clock.monotonicMs();
    this.#report({ kind: "started", phase });
    const result = await work((note) => this.#report({ kind: "working", phase, note }));
    this.#signal?.throwIfAborted();
    const durationMs = this.#clock.monotonicMs() - start;
    this.#report({ kind: "finished", phase, durationMs, summary: summary(result) });
    return result;
  }
}
