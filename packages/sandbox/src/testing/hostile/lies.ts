// What an agent may say in well-formed messages that is not so, and what must come of it on the host.

import type { KelpieErrorCode } from "@kelpie/platform";
import type { AgentClient } from "../../agent/agent-client.ts";
import type { FakeAgentBehaviour } from "../fake-agent.ts";

/** A lie, and a call that meets it. */
export interface Lie {
  /** What the agent does. */
  readonly name: string;
  readonly behaviour: FakeAgentBehaviour;
  /** A call of the host's, until `signal`; what it returns goes to `sound`. */
  readonly call: (client: AgentClient, signal: AbortSignal) => Promise<unknown>;
  /** The codes of which the call's error has one; or what must hold of what it returns. */
  readonly outcome: readonly KelpieErrorCode[] | ((value: unknown) => void);
}

/** Terminal control as guests may try it: a colour, a title, a cleared screen, C1 and a change of direction. */
export const nasty =
  "\u001b[31m\u001b]0;owned\u0007\u001b[2J\u009b5n\u202egnp.exe\u0000\r\nkelpie: all is well";

/** The largest number that 64 bits hold. */
export const most = 2n ** 64n - 1n;

export async function* forever<T>(make: () => T): AsyncGenerator<T, undefined> {
  // A turn of the loop for everybody else.
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    for (let count = 0; count < 100; count++) yield make();
  }
}

/** Ends only when the caller leaves. */
export async function* silence(signal: AbortSignal): AsyncGenerator<never, undefined> {
  await stalled(signal);
  yield* [];
}

/** Resolves only when the caller leaves, and never with an answer in time. */
export async function stalled(signal: AbortSignal): Promise<never> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  throw new TypeError("the caller has left");
}
