// One call to the agent: with a deadline, and with what can go wrong as one KelpieError.

import type { Clock } from "@kelpie/platform";
import type { AgentConnection } from "./agent-connection.ts";
import { guestError } from "./guest-error.ts";

const callTimeoutMs = 10_000;

/** A call's bounds. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Default ten seconds. */
  readonly timeoutMs?: number;
}

/** How a call reaches the agent. */
export interface CallRoute {
  readonly clock: Clock;
  readonly connection: Pick<AgentConnection, "connect">;
}

/** For a caller who sets no bound. */
export const neverAborted: AbortSignal = new AbortController().signal;

/** Has the guest do `what`, within its time also where the agent has to be reached first. `timeout`, or what `explain` makes of the error. */
export async function callGuest<T>(
  { clock, connection }: CallRoute,
  what: string,
  { timeoutMs = callTimeoutMs, signal: wanted }: CallOptions,
  call: (signal: AbortSignal) => Promise<T>,
  explain: typeof guestError = guestError,
): Promise<T> {
  using deadline = clock.deadline(timeoutMs, `Waiting for the guest to ${what}`);
  const signal = wanted === undefined ? deadline.signal : AbortSignal.any([wanted, deadline.signal]);
  try {
    await connection.connect(signal);
    return await call(signal);
  } catch (error) {
    throw explain(what, error, signal);
  }
}
