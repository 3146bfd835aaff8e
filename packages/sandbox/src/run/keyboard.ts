// What a person types for a process in the guest, and the two keys that leave it: ctrl-p ctrl-q, as docker has them.

import type { Readable } from "node:stream";

const first = 0x10;
const second = 0x11;

/** The bytes of a stream, until they end or the person detaches. Can be iterated once. */
export class Keyboard implements AsyncIterable<Uint8Array> {
  readonly #stdin: Readable;
  readonly #hasDetachKeys: boolean;
  readonly #detach = new AbortController();
  /** Whether ctrl-p was typed and its successor is awaited. */
  #isHolding = false;

  constructor(stdin: Readable, options: { readonly detachKeys: boolean }) {
    this.#stdin = stdin;
    this.#hasDetachKeys = options.detachKeys;
  }

  /** Aborts when the person has detached. */
  get detached(): AbortSignal {
    return this.#detach.signal;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, undefined> {
    const chunks: AsyncIterable<Uint8Array> = this.#stdin;
    for await (const chunk of chunks) {
      const typed = this.#hasDetachKeys ? this.#filter(chunk) : chunk;
      if (typed === undefined) {
        this.#detach.abort();
        return;
      }
      if (typed.length > 0) yield typed;
    }
    if (this.#isHolding) yield Uint8Array.of(first);
  }

  /** `chunk` without the keys that were held back, or undefined at the second key. */
  #filter(chunk: Uint8Array): Uint8Array | undefined {
    const typed: number[] = [];
    for (const byte of chunk) {
      if (this.#isHolding && byte === second) return undefined;
      if (this.#isHolding) typed.push(first);
      this.#isHolding = byte === first;
      if (!this.#isHolding) typed.push(byte);
    }
    return Uint8Array.from(typed);
  }
}
