// The handshake that starts a session with the agent (docs/boot-contract.md, "Agent ports").

import type { Duplex } from "node:stream";
import { cancelled, type Clock, describeError, KelpieError, type Random, randomHex } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";

const nonceBytes = 16;
const instanceLine = /KELPIE-INSTANCE ([0-9a-f]{32})\n$/;
const instanceLineBytes = 49;

/** How to greet the agent. */
export interface HandshakeOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Without an answer for this long, says hello again, and then after twice as long. Absent: says it once. */
  readonly repeatAfterMs?: number;
  /** The deadline, and the owner's wish to stop. */
  readonly signal: AbortSignal;
}

/**
 * Says hello until the agent answers the last one. The stream then stands, paused, at the first byte of HTTP/2. Returns the
 * id of the agent's instance; undefined where an older agent does not tell it. `guest-lost` if the stream ends first;
 * `timeout` or `cancelled` by the signal.
 */
export async function greetAgent(stream: Duplex, options: HandshakeOptions): Promise<string | undefined> {
  const { clock, random, signal, repeatAfterMs } = options;
  using answers = new AnswerScanner(stream);
  const hello = (): Promise<string | undefined> => {
    const nonce = randomHex(random, nonceBytes);
    const answered = answers.next(nonce);
    stream.write(`KELPIE-HELLO 1 ${nonce}\n`);
    return answered;
  };
  if (repeatAfterMs === undefined) return await orAborted(hello(), signal);
  // An earlier hello's answer is of no use: the later hello ends the session that it began.
  for (let pauseMs = repeatAfterMs; !signal.aborted; pauseMs *= 2) {
    using pause = clock.deadline(pauseMs, "The agent's answer");
    const answer = orAborted(hello(), pause.signal).then(
      (instanceId) => ({ instanceId }),
      (error: unknown) => {
        if (pause.signal.aborted && error === pause.signal.reason) return undefined;
        throw error;
      },
    );
    const answerOfThis = await orAborted(answer, signal);
    if (answerOfThis !== undefined) return answerOfThis.instanceId;
  }
  throw cancelled(signal);
}

/** Watches a stream for one answer at a time; what precedes it is thrown away, what follows it is put back. */
class AnswerScanner implements Disposable {
  readonly #stream: Duplex;
  #wanted = Buffer.alloc(0);
  #seen = Buffer.alloc(0);
  #waiting = Promise.withResolvers<string | undefined>();

  constructor(stream: Duplex) {
    this.#stream = stream;
    this.#waiting.promise.catch(() => undefined);
    stream.on("data", this.#onData);
    stream.on("error", this.#onError);
    stream.on("close", this.#onEnd);
    stream.on("end", this.#onEnd);
    // Whoever opened it may have read its beginning, and left it paused.
    stream.resume();
  }

  /** Resolves when the agent answers `nonce`, with its instance id if it tells it. */
  next(nonce: string): Promise<string | undefined> {
    this.#wanted = Buffer.from(`KELPIE-READY 1 ${nonce}\n`, "latin1");
    return this.#waiting.promise;
  }

  readonly #onData = (chunk: Buffer): void => {
    const bytes = Buffer.concat([this.#seen, chunk]);
    const at = bytes.indexOf(this.#wanted);
    if (at === -1) {
      // Only the beginning of an answer can matter later, so stale bytes do not pile up.
      this.#seen = bytes.subarray(-(instanceLineBytes + this.#wanted.length - 1));
      return;
    }
    this[Symbol.dispose]();
    const rest = bytes.subarray(at + this.#wanted.length);
    if (rest.length > 0) this.#stream.unshift(rest);
    // Only what stands right before the answer is of this session.
    const before = bytes.subarray(Math.max(0, at - instanceLineBytes), at).toString("latin1");
    this.#waiting.resolve(instanceLine.exec(before)?.[1]);
  };

  readonly #onError = (cause: Error): void => {
    this.#waiting.reject(
      new KelpieError("guest-lost", "The agent's port broke", { found: describeError(cause), cause }),
    );
  };

  readonly #onEnd = (): void => {
    this.#waiting.reject(
      new KelpieError("guest-lost", "The agent's port was closed before the agent answered"),
    );
  };

  [Symbol.dispose](): void {
    this.#stream.pause();
    this.#stream.off("data", this.#onData);
    this.#stream.off("error", this.#onError);
    this.#stream.off("close", this.#onEnd);
    this.#stream.off("end", this.#onEnd);
  }
}
