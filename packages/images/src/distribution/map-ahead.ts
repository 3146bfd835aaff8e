// The same work on a stream of things, a few ahead of whoever takes the results.

/**
 * The results of `work` in the order of `source`, with at most `width` at once. A failure, or an early end of the taking,
 * aborts what is still going on and waits for it.
 */
export async function* mapAhead<T, R>(
  source: AsyncIterable<T> | Iterable<T>,
  width: number,
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): AsyncGenerator<R, void, undefined> {
  const stop = new AbortController();
  const combined = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const pending: Promise<R>[] = [];
  try {
    for await (const item of source) {
      const result = work(item, combined);
      // Its failure is seen when its turn comes.
      result.catch(() => undefined);
      pending.push(result);
      const first = pending.length < width ? undefined : pending.shift();
      if (first !== undefined) yield await first;
    }
    for (let next = pending.shift(); next !== undefined; next = pending.shift()) yield await next;
  } finally {
    stop.abort();
    await Promise.allSettled(pending);
  }
}
