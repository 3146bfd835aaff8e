// How long the steps of a start took.

import type { Clock } from "@kelpie/platform";

/** A step and its duration. */
export interface Phase {
  readonly name: string;
  readonly durationMs: number;
}

/** Measures one step after the other. */
export class PhaseTimer {
  readonly #clock: Clock;
  readonly #phases: Phase[] = [];
  #sinceMs: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
  }

  /** The steps so far. */
  get phases(): readonly Phase[] {
    return this.#phases;
  }

  /** Ends the step `name`, which began where the one before ended. */
  mark(name: string): void {
    const nowMs = this.#clock.monotonicMs();
    this.#phases.push({ name, durationMs: nowMs - this.#sinceMs });
    this.#sinceMs = nowMs;
  }
}
