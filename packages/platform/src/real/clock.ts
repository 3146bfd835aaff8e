// The real clock.

import type { Clock } from "../clock.ts";
import { KelpieError } from "../errors.ts";

/** The clocks and timers of this machine. */
export const realClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),

  sleep: (durationMs, signal) =>
    new Promise((resolve, reject) => {
      const cancel = (): void => {
        clearTimeout(timer);
        reject(cancelled(signal));
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", cancel);
        resolve();
      }, durationMs);
      if (signal?.aborted === true) cancel();
      else signal?.addEventListener("abort", cancel, { once: true });
    }),

  deadline: (durationMs, what) => {
    const controller = new AbortController();
    const timer = setTimeout(() => {
      controller.abort(
        new KelpieError("timeout", `${what} took too long`, {
          expected: `at most ${Math.round(durationMs)} ms`,
        }),
      );
    }, durationMs);
    return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
  },
};

/** The reason of an aborted signal as a KelpieError: its own if it is one, `cancelled` otherwise. */
export function cancelled(signal: AbortSignal | undefined): KelpieError {
  const reason: unknown = signal?.reason;
  return KelpieError.is(reason)
    ? reason
    : new KelpieError("cancelled", "The operation was cancelled", { cause: reason });
}
