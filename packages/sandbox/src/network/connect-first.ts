// Connects to one of several addresses of a name (RFC 8305): the next is tried when one fails or lets us wait.

import type { Clock } from "@kelpie/platform";

const nextAfterMs = 250;

/** What was made, and to which address. */
export interface Made<T> {
  readonly address: string;
  readonly connection: T;
}

/**
 * The first that comes about; what else comes about is discarded. Throws the last failure when none does.
 *
 * @param dial must end with its signal
 */
export async function connectFirst<T>(
  clock: Clock,
  candidates: readonly string[],
  dial: (address: string, signal: AbortSignal) => Promise<T>,
  discard: (connection: T) => void,
  signal: AbortSignal,
): Promise<Made<T>> {
  const over = new AbortController();
  const stop = AbortSignal.any([signal, over.signal]);
  let made: Made<T> | undefined;
  let failure: unknown;
  const attempt = async (address: string): Promise<void> => {
    try {
      const connection = await dial(address, stop);
      if (made === undefined) {
        made = { address, connection };
        over.abort();
      } else discard(connection);
    } catch (error) {
      failure = error;
    }
  };
  const isDone = (): boolean => made !== undefined || signal.aborted;
  const attempts: Promise<void>[] = [];
  try {
    for (const address of candidates) {
      const running = attempt(address);
      attempts.push(running);
      const settled = new AbortController();
      const pause = clock.sleep(nextAfterMs, AbortSignal.any([stop, settled.signal])).catch(() => undefined);
      await Promise.race([running, pause]);
      settled.abort();
      if (isDone()) break;
    }
    // Whichever is first: one that comes about, or the end of all.
    const firstMade = attempts.map(async (running) => {
      await running;
      if (made === undefined) throw failure;
    });
    await Promise.any(firstMade).catch(() => undefined);
  } finally {
    over.abort();
  }
  if (made === undefined) throw failure;
  return made;
}
