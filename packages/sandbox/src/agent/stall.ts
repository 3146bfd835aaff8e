// A stream that goes on as long as it takes, but not while the guest does nothing for it.

import type { Clock, Deadline } from "@kelpie/platform";
import { KelpieError } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";

/** A guest that reads, sorts or writes its disk is silent for seconds. */
const stallMs = 60_000;
/** What says nothing: more in a row keeps the host busy for nothing. */
const mostEmpty = 1000;

/** Counts the time that the guest is waited for, and only that: a source or a reader of ours may be slow. */
export class Patience implements Disposable {
  readonly #clock: Clock;
  readonly #what: string;
  readonly #over = new AbortController();
  #deadline: Deadline | undefined;

  constructor(clock: Clock, what: string) {
    this.#clock = clock;
    this.#what = what;
  }

  /** Aborts when the guest has done nothing for too long, with `timeout`. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  /** The guest is waited for, from now on. */
  begin(): void {
    this.end();
    const deadline = this.#clock.deadline(
      stallMs,
      `Waiting for the guest, which was to ${this.#what}, to go on`,
    );
    deadline.signal.addEventListener("abort", () => this.#over.abort(deadline.signal.reason), { once: true });
    this.#deadline = deadline;
  }

  end(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#deadline = undefined;
  }

  [Symbol.dispose](): void {
    this.end();
  }
}

/** What a stream of the guest's gives; `timeout` while nothing comes for too long, or only what says nothing: `malformed`. */
export async function* whileItComes<T>(
  stream: AsyncIterable<T>,
  patience: Patience,
  saysNothing: (message: T) => boolean,
): AsyncGenerator<T, undefined> {
  const iterator = stream[Symbol.asyncIterator]();
  let empty = 0;
  try {
    for (;;) {
      patience.begin();
      const step = await orAborted(iterator.next(), patience.signal);
      if (step.done === true) return;
      empty = saysNothing(step.value) ? empty + 1 : 0;
      if (empty > mostEmpty) {
        throw new KelpieError("malformed", "The guest sends messages without end that say nothing");
      }
      // What says nothing is no progress.
      if (empty === 0) patience.end();
      yield step.value;
    }
  } finally {
    patience.end();
    // Not awaited: a stream that stands still does not end when it is asked to.
    void Promise.resolve(iterator.return?.()).catch(() => undefined);
  }
}

/** What is sent to the guest, which is waited for whenever it does not take the next piece. */
export async function* whileItTakes<T>(
  source: AsyncIterable<T>,
  patience: Patience,
): AsyncGenerator<T, undefined> {
  patience.end();
  for await (const piece of source) {
    patience.begin();
    yield piece;
    patience.end();
  }
  patience.begin();
}
