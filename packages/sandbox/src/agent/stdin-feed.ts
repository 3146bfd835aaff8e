// A process's standard input on its way to the guest: what was sent and may be lost is kept to be sent again.

import { orAborted } from "../or-aborted.ts";

/** What the agent takes in one message (process.proto). */
const chunkBytes = 64 << 10;
/** More than can be under way: the agent's window for a call, and what waits on this side. */
const keptBytes = 512 << 10;

/** Reads a source once, whatever becomes of the connections that carry it. */
export class StdinFeed {
  readonly #source: AsyncIterator<Uint8Array>;
  /** Asked for, and not handed out yet: a source that was asked cannot be called off. */
  #next: Promise<IteratorResult<Uint8Array, unknown>> | undefined;
  /** What was read of the source and not handed out yet. */
  #rest: Uint8Array = new Uint8Array(0);
  #kept: Uint8Array[] = [];
  #keptSize = 0;
  #sent = 0;

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** How many bytes were handed out. */
  get sentBytes(): number {
    return this.#sent;
  }

  /** The source's bytes from here on, each piece at most what one message takes. Ends with the source, or at `stop`. */
  async *chunks(stop: AbortSignal): AsyncGenerator<Uint8Array, undefined> {
    for (;;) {
      const chunk = await this.#chunk(stop);
      if (chunk === undefined) return;
      yield chunk;
    }
  }

  /** What was handed out from `offset` on; undefined where that is kept no longer, or never was handed out. */
  since(offset: number): Uint8Array[] | undefined {
    let at = this.#sent - this.#keptSize;
    if (offset > this.#sent || offset < at) return undefined;
    const chunks: Uint8Array[] = [];
    for (const chunk of this.#kept) {
      const skipped = Math.max(0, offset - at);
      if (skipped < chunk.length) chunks.push(chunk.subarray(skipped));
      at += chunk.length;
    }
    return chunks;
  }

  /** Tells the source that no more is wanted. Not awaited: one that waits for a person's next line cannot be called off. */
  leave(): void {
    void Promise.resolve(this.#source.return?.()).catch(() => undefined);
  }

  async #chunk(stop: AbortSignal): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      this.#next ??= this.#source.next();
      try {
        const step = await orAborted(this.#next, stop);
        if (step.done === true) return undefined;
        this.#next = undefined;
        this.#rest = step.value;
      } catch (error) {
        if (stop.aborted) return undefined;
        throw error;
      }
    }
    const chunk = this.#rest.subarray(0, chunkBytes);
    this.#rest = this.#rest.subarray(chunk.length);
    this.#keep(chunk);
    return chunk;
  }

  #keep(chunk: Uint8Array): void {
    this.#sent += chunk.length;
    this.#keptSize += chunk.length;
    this.#kept.push(chunk);
    for (let oldest = this.#kept[0]; oldest !== undefined; oldest = this.#kept[0]) {
      if (this.#keptSize - oldest.length < keptBytes) return;
      this.#keptSize -= oldest.length;
      this.#kept.shift();
    }
  }
}
