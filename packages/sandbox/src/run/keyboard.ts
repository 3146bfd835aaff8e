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
      const { typed, isLeaving } = this.#hasDetachKeys
        ? this.#filter(chunk)
        : { typed: chunk, isLeaving: false };
      if (typed.length > 0) yield typed;
      if (isLeaving) {
        this.#detach.abort();
        return;
      }
    }
    if (this.#isHolding) yield Uint8Array.of(first);
  }

  /** `chunk` without the keys that are held back, as far as the second of the two. */
  #filter(chunk: Uint8Array): { readonly typed: Uint8Array; readonly isLeaving: boolean } {
    const typed: number[] = [];
    for (const byte of chunk) {
      if (this.#isHolding && byte === second) return { typed: Uint8Array.from(typed), isLeaving: true };
      if (this.#isHolding) typed.push(first);
      this.#isHolding = byte === first;
      if (!this.#isHolding) typed.push(byte);
    }
    return { typed: Uint8Array.from(typed), isLeaving: false };
  }
}
