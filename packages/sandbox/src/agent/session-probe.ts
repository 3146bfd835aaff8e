// Finds out a silent agent: a port has no connection ends, so one that was started again, or has dropped the session,
// would be waited for for ever.

import type http2 from "node:http2";
import { type Clock, KelpieError } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";

/** How often a session is probed while calls are under way on it, and how long it may take to answer. */
export interface Probe {
  readonly everyMs: number;
  readonly answerWithinMs: number;
}

/** Watches over one session. */
export class SessionProbe {
  readonly #session: http2.ClientHttp2Session;
  readonly #clock: Clock;
  readonly #probe: Probe;
  #calls = 0;
  #idle = new AbortController();

  constructor(session: http2.ClientHttp2Session, clock: Clock, probe: Probe) {
    this.#session = session;
    this.#clock = clock;
    this.#probe = probe;
  }

  /** Notes a call, during which the session must not be silent. */
  watch(call: http2.ClientHttp2Stream): void {
    this.#calls++;
    call.once("close", () => {
      this.#calls--;
      if (this.#calls === 0) this.#idle.abort();
    });
    if (this.#calls > 1) return;
    this.#idle = new AbortController();
    void this.#run(this.#idle.signal);
  }

  async #run(idle: AbortSignal): Promise<void> {
    const { everyMs, answerWithinMs } = this.#probe;
    try {
      while (!this.#session.destroyed) {
        await this.#clock.sleep(everyMs, idle);
        using deadline = this.#clock.deadline(answerWithinMs, "The agent's answer to a probe");
        await orAborted(this.#ping(), AbortSignal.any([idle, deadline.signal]));
      }
    } catch (cause) {
      if (idle.aborted) return;
      this.#session.destroy(new KelpieError("guest-lost", "The agent has fallen silent", { cause }));
    }
  }

  async #ping(): Promise<void> {
    const answered = Promise.withResolvers<undefined>();
    if (this.#session.destroyed) return;
    // A ping that cannot be sent is one of a session that is going.
    this.#session.ping((error) => (error === null ? answered.resolve(undefined) : answered.reject(error)));
    await answered.promise;
  }
}
