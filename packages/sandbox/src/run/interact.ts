// A process of a sandbox with a person's streams, keys and signals: what is behind `exec`, `shell` and `attach`.

import type { TerminalKeys } from "@kelpie/platform";
import type { Execution } from "../agent/execution.ts";
import { forwardOutput, type RunOutput } from "./forward-output.ts";

/** The person's side. */
export interface Person extends RunOutput {
  readonly keys: TerminalKeys;
  /** Aborts when the person leaves the process alone. */
  readonly detached?: AbortSignal;
}

/** How it went. */
export type Interaction = { readonly kind: "ended"; readonly code: number } | { readonly kind: "detached" };

/**
 * Joins a process with a person until it ends or they detach. Signals go to the process's group. With `hasTerminal` keys
 * come as they are typed, and the process's terminal follows the size of ours. What an execution throws is thrown.
 */
export async function interact(
  execution: Execution,
  person: Person,
  hasTerminal: boolean,
): Promise<Interaction> {
  const { keys, detached } = person;
  // A process that has ended meanwhile, or has not started yet, gets none.
  using _signals = keys.takeSignals((number) => void execution.kill(number).catch(() => undefined));
  using _raw = hasTerminal ? keys.raw() : undefined;
  using _size = hasTerminal ? keys.onResize(() => void resize(execution, keys)) : undefined;
  try {
    return { kind: "ended", code: await forwardOutput(execution, person) };
  } catch (error) {
    if (detached?.aborted === true) return { kind: "detached" };
    throw error;
  }
}

/** Tells the process's terminal the size of ours. */
export async function resize(execution: Execution, keys: TerminalKeys): Promise<void> {
  const size = keys.size();
  if (size !== undefined) await execution.resize(size.rows, size.columns).catch(() => undefined);
}
