// One HTTP exchange that cannot hang, and the rule by which a failed one is tried again. Used by every transfer.

import { type HttpRequest, type HttpResponse, KelpieError, type Platform } from "@kelpie/platform";

/** What a transfer touches of the outside world. */
export type DownloadPlatform = Pick<Platform, "clock" | "files" | "host" | "network" | "random">;

/** How long a server may keep us waiting, in milliseconds. */
export interface HttpTimeouts {
  /** Until the response's headers, counted from the end of the request's body. */
  readonly responseMs: number;
  /** Between two pieces of a body, ours or theirs; of theirs, until the next KiB of it. */
  readonly stallMs: number;
}

/** Who sends a byte now and then would hold us, and all who wait for us, for ever. */
const leastBytesPerStall = 1024;

export const defaultTimeouts: HttpTimeouts = { responseMs: 20_000, stallMs: 20_000 };

/** How often a transfer is tried and how long is waited between: doubled each time, with jitter. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly firstDelayMs: number;
  readonly maxDelayMs: number;
}

export const defaultRetry: RetryPolicy = { attempts: 4, firstDelayMs: 250, maxDelayMs: 8_000 };

/** What one attempt came to; a thrown error ends the matter unless its code is `unreachable` or `timeout`. */
export type Attempt<T> =
  | { readonly kind: "done"; readonly value: T }
  | { readonly kind: "again"; readonly error: KelpieError; readonly delayMs?: number };

/**
 * Runs `attempt` until it is done, its failure is final, or the attempts are used up: then its last error is thrown,
 * with the number of attempts in its summary.
 */
export async function withRetries<T>(
  { clock, random }: Pick<DownloadPlatform, "clock" | "random">,
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  attempt: () => Promise<Attempt<T>>,
): Promise<T> {
  for (let count = 1; ; count++) {
    const outcome = await attempt().catch((error: unknown): Attempt<T> => {
      if (signal?.aborted !== true && KelpieError.is(error) && isTransient(error))
        return { kind: "again", error };
      throw error;
    });
    if (outcome.kind === "done") return outcome.value;
    if (count >= policy.attempts) throw afterAttempts(outcome.error, count);
    const backOff = Math.min(policy.maxDelayMs, policy.firstDelayMs * 2 ** (count - 1));
    const jitter = 0.5 + (random.bytes(1)[0] ?? 0) / 512;
    await clock.sleep(Math.min(policy.maxDelayMs, outcome.delayMs ?? backOff * jitter), signal);
  }
}

/** A response whose body stalls no longer than it may. */
export interface GuardedResponse extends Omit<HttpResponse, "body"> {
  readonly body: AsyncGenerator<Uint8Array>;
}

/**
 * Makes one exchange and hands the response to `use`; the connection ends with it, however it ends. Content comes as it is
 * stored: a transparent content encoding would change the bytes that digests and signatures are about.
 *
 * @throws KelpieError `unreachable`, `timeout`, `cancelled`, `permission-denied` where TLS is left, and what `use` throws.
 */
export async function httpExchange<T>(
  { clock, network }: Pick<DownloadPlatform, "clock" | "network">,
  url: string,
  options: Pick<HttpRequest, "method" | "headers" | "body" | "redirect"> & {
    readonly timeouts: HttpTimeouts;
    readonly signal: AbortSignal | undefined;
  },
  use: (response: GuardedResponse) => Promise<T>,
): Promise<T> {
  const { timeouts, signal, ...request } = options;
  const ended = new AbortController();
  const guard = async <V>(wait: Promise<V>, limitMs: number, what: string): Promise<V> => {
    using deadline = clock.deadline(limitMs, what);
    const expire = (): void => ended.abort(deadline.signal.reason);
    deadline.signal.addEventListener("abort", expire, { once: true });
    return await wait;
  };
  const combined = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal]);
  async function* guarded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const iterator = body[Symbol.asyncIterator]();
    // What we have waited for so many bytes: the time that our own side takes does not count.
    let waitedMs = 0;
    let gainedBytes = 0;
    for (;;) {
      const start = clock.monotonicMs();
      const limitMs = Math.max(1, timeouts.stallMs - waitedMs);
      const piece = await guard(iterator.next(), limitMs, `The next bytes of ${url}`);
      if (piece.done === true) return;
      waitedMs += clock.monotonicMs() - start;
      gainedBytes += piece.value.length;
      if (gainedBytes >= leastBytesPerStall) waitedMs = gainedBytes = 0;
      yield piece.value;
    }
  }
  // The first piece is taken once the connection stands, each further one once there is room for it.
  let taken = Promise.withResolvers<undefined>();
  const sent = Promise.withResolvers<undefined>();
  const awaitTaken = (limitMs: number): void => {
    taken = Promise.withResolvers();
    // Its expiry ends the exchange by the signal.
    void guard(taken.promise, limitMs, `Sending to ${url}`);
  };
  async function* paced(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    try {
      for await (const piece of body) {
        taken.resolve(undefined);
        awaitTaken(timeouts.stallMs);
        yield piece;
      }
    } finally {
      taken.resolve(undefined);
      sent.resolve(undefined);
    }
  }
  try {
    const { body, ...rest } = request;
    const isStream = body !== undefined && !(body instanceof Uint8Array);
    if (isStream) awaitTaken(timeouts.responseMs);
    else sent.resolve(undefined);
    const answer = network.request(url, {
      ...rest,
      ...(body === undefined ? {} : { body: isStream ? paced(body) : body }),
      headers: { ...rest.headers, "accept-encoding": "identity" },
      signal: combined,
    });
    // A server may answer before it has taken everything.
    await Promise.race([sent.promise, answer]);
    const response = await guard(answer, timeouts.responseMs, `An answer from ${url}`);
    refuseDowngrade(url, response.url);
    return await use({ ...response, body: guarded(response.body) });
  } finally {
    taken.resolve(undefined);
    ended.abort(new KelpieError("cancelled", `The transfer of ${url} is over`));
  }
}

/** What is asked over TLS is answered over TLS, wherever redirects lead. */
function refuseDowngrade(asked: string, answered: string): void {
  if (!asked.startsWith("https:") || answered.startsWith("https:")) return;
  throw new KelpieError("permission-denied", "A server leads to an unsafe place", {
    expected: "an https URL",
    found: answered.split("?")[0] ?? answered,
    where: asked.split("?")[0] ?? asked,
  });
}

/** As {@link httpExchange}, for a GET. */
export async function httpGet<T>(
  platform: Pick<DownloadPlatform, "clock" | "network">,
  url: string,
  options: {
    readonly headers?: Readonly<Record<string, string>>;
    readonly timeouts: HttpTimeouts;
    readonly signal: AbortSignal | undefined;
  },
  use: (response: GuardedResponse) => Promise<T>,
): Promise<T> {
  return httpExchange(platform, url, options, use);
}

/** Sorts a status that is no success: worth another attempt, or a final error, which is thrown. */
export function refusedStatus(
  url: string,
  response: Pick<HttpResponse, "status" | "headers">,
): Attempt<never> {
  const { status } = response;
  const details = { found: `HTTP status ${status}`, where: url };
  if (status === 404 || status === 410)
    throw new KelpieError("not-found", "The server does not have it", details);
  if (status === 401 || status === 403 || status === 407)
    throw new KelpieError("permission-denied", "The server does not give it to us", details);
  const error = new KelpieError("unreachable", "The server cannot give it now", details);
  if (status !== 408 && status !== 425 && status !== 429 && status < 500)
    throw new KelpieError(
      "unsupported",
      "The server answered in a way that a download does not expect",
      details,
    );
  const seconds = Number(response.headers.get("retry-after") ?? "");
  return Number.isFinite(seconds) && seconds > 0
    ? { kind: "again", error, delayMs: seconds * 1000 }
    : { kind: "again", error };
}

function isTransient(error: KelpieError): boolean {
  return error.code === "unreachable" || error.code === "timeout";
}

function afterAttempts(error: KelpieError, count: number): KelpieError {
  if (count === 1) return error;
  const { expected, found, where, help, cause } = error;
  return new KelpieError(error.code, `${error.summary}, after ${count} attempts`, {
    ...(expected === undefined ? {} : { expected }),
    ...(found === undefined ? {} : { found }),
    ...(where === undefined ? {} : { where }),
    ...(help === undefined ? {} : { help }),
    cause,
  });
}
