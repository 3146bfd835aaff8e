// Reaching a vsock port of a guest through a Unix socket of its monitor: the protocol that Firecracker made up and the
// vhost-user daemon speaks too (Firecracker, docs/vsock.md, "Host-Initiated Connections").

import type { Duplex } from "node:stream";
import { KelpieError, type Platform } from "@kelpie/platform";
import { orAborted } from "../../or-aborted.ts";

/** The agent's vsock port in every guest (docs/boot-contract.md, "Agent ports"). */
export const agentVsockPort = 5123;

/** What {@link KelpieError.found} says where nobody listens on the guest's port, or nobody does yet. */
export const refusedByGuest = "no listener in the guest";

/** `OK`, a space, ten digits and a newline fit well. */
const answerLimitBytes = 32;
/** As long as Linux and Firecracker wait for a guest's answer; the daemon would wait for ever. */
const answerWithinMs = 2_000;
const lingerMs = 1_000;

type Parts = Pick<Platform, "clock" | "network">;

/**
 * Connects to vsock `port` of the guest whose monitor listens at `path`.
 *
 * @returns the connection, at the guest's first byte
 * @throws KelpieError `unreachable` with {@link refusedByGuest}, or where the monitor is gone; `not-found`, `malformed`, `cancelled`
 */
export async function connectVsock(
  { clock, network }: Parts,
  path: string,
  port: number,
  signal: AbortSignal,
): Promise<Duplex> {
  const stream = await network.connectUnix(path, signal);
  const answer = new AnswerLine(stream, path);
  // Nothing may follow before the answer: the daemon throws away what it has read beyond the line.
  stream.write(`CONNECT ${port}\n`);
  using patience = clock.deadline(answerWithinMs, "The answer to a connection");
  try {
    await orAborted(answer.agreed, AbortSignal.any([signal, patience.signal]));
    return stream;
  } catch (error) {
    if (!signal.aborted && !patience.signal.aborted) stream.destroy();
    else void leaveOnceAnswered(clock, stream, answer);
    throw signal.aborted || !patience.signal.aborted ? error : refusal(path, error);
  }
}

function refusal(where: string, cause?: unknown): KelpieError {
  return new KelpieError("unreachable", "The guest does not take a vsock connection", {
    found: refusedByGuest,
    where,
    ...(cause instanceof Error ? { cause } : {}),
  });
}

/**
 * The daemon (vhost-device-vsock 0.3) ends with all its connections where one is gone that the guest has just accepted, so
 * a connection that is not wanted any more goes after its answer.
 */
async function leaveOnceAnswered(clock: Parts["clock"], stream: Duplex, answer: AnswerLine): Promise<void> {
  using patience = clock.deadline(lingerMs, "The answer to a connection");
  await orAborted(answer.agreed, patience.signal).catch(() => undefined);
  stream.destroy();
}

/** The line that comes back: `OK` and a number, which is the host's port with Firecracker and the guest's with the daemon. */
class AnswerLine {
  /** Resolves when the guest has accepted; what follows the line is put back. */
  readonly agreed: Promise<undefined>;
  readonly #stream: Duplex;
  readonly #where: string;
  readonly #settled = Promise.withResolvers<undefined>();
  #seen = Buffer.alloc(0);

  constructor(stream: Duplex, where: string) {
    this.#stream = stream;
    this.#where = where;
    this.agreed = this.#settled.promise;
    // Whoever waits hears of it; all may have stopped waiting.
    this.agreed.catch(() => undefined);
    stream.on("readable", this.#onReadable);
    stream.on("error", this.#onEnd);
    stream.on("close", this.#onEnd);
    stream.on("end", this.#onEnd);
  }

  readonly #onReadable = (): void => {
    const chunk: unknown = this.#stream.read();
    if (!(chunk instanceof Uint8Array)) return;
    this.#seen = Buffer.concat([this.#seen, chunk]);
    const end = this.#seen.indexOf("\n");
    if (end === -1 && this.#seen.length <= answerLimitBytes) return;
    const line = this.#seen.subarray(0, end === -1 ? answerLimitBytes : end).toString("latin1");
    if (!/^OK \d{1,10}$/.test(line)) {
      this.#fail(
        new KelpieError("malformed", "The monitor's answer to a vsock connection cannot be read", {
          expected: "OK and a port",
          found: JSON.stringify(line),
          where: this.#where,
        }),
      );
      return;
    }
    this.#detach();
    const rest = this.#seen.subarray(end + 1);
    if (rest.length > 0) this.#stream.unshift(rest);
    this.#settled.resolve(undefined);
  };

  // A connection that is closed before its request was read shows as an error of the socket; a monitor that is gone, or
  // has no listener, is seen by the next attempt to connect.
  readonly #onEnd = (cause?: unknown): void => {
    this.#fail(refusal(this.#where, cause));
  };

  #fail(error: KelpieError): void {
    this.#detach();
    // What comes after the end of our interest is nobody's.
    this.#stream.on("error", () => undefined);
    this.#settled.reject(error);
  }

  #detach(): void {
    // Nothing is left set: the stream is as it was, and whoever listens next has all that follows.
    this.#stream.off("readable", this.#onReadable);
    this.#stream.off("error", this.#onEnd);
    this.#stream.off("close", this.#onEnd);
    this.#stream.off("end", this.#onEnd);
  }
}

/** Whether a connection failed only because the guest does not listen, or not yet: the next may succeed. */
export function isRefusedByGuest(error: unknown): boolean {
  return KelpieError.is(error) && error.code === "unreachable" && error.found === refusedByGuest;
}
