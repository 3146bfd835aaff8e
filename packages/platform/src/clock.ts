// Time, as an interface: the simulation replaces it.

/** Wall clock, monotonic clock and timers. */
export interface Clock {
  /** Milliseconds since the Unix epoch. May jump. */
  nowMs(): number;
  /** Milliseconds on a clock that never goes back; only differences mean anything. */
  monotonicMs(): number;
  /** Resolves after `durationMs`, or rejects with KelpieError `cancelled` once `signal` aborts. Holds the process alive. */
  sleep(durationMs: number, signal?: AbortSignal): Promise<void>;
  /**
   * A signal that aborts with KelpieError `timeout` saying "`what` took longer than …" after `durationMs`.
   * Dispose it when the wait is over, so that its timer ends.
   */
  deadline(durationMs: number, what: string): Deadline;
}

/** A running timer with the signal that it will abort. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}
