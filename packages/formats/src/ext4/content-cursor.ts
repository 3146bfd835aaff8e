// One file's content on its way to its blocks.

import { KelpieError } from "@kelpie/platform";
import type { BlockWriter } from "./block-writer.ts";
import { isZero } from "../zeros.ts";

/** Content that is read once, forward, and must have the size that was declared. */
export class ContentCursor {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #sizeBytes: number;
  readonly #path: string;
  readonly #signal: AbortSignal | undefined;
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(
    chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    sizeBytes: number,
    path: string,
    signal: AbortSignal | undefined,
  ) {
    this.#signal = signal;
    this.#chunks =
      Symbol.asyncIterator in chunks ? chunks[Symbol.asyncIterator]() : chunks[Symbol.iterator]();
    this.#sizeBytes = sizeBytes;
    this.#path = path;
  }

  /** Copies what there is up to byte `end` of the content. */
  async copyTo(out: BlockWriter, end: number): Promise<void> {
    const stop = Math.min(end, this.#sizeBytes);
    while (this.#position < stop) {
      const part = await this.#take(stop - this.#position);
      await out.write(part);
    }
  }

  /** Passes over what must be zeros, up to byte `end`. */
  async skipHole(end: number): Promise<void> {
    const stop = Math.min(end, this.#sizeBytes);
    while (this.#position < stop) {
      const at = this.#position;
      const part = await this.#take(stop - at);
      if (!isZero(part)) {
        throw new KelpieError("malformed", "A sparse file has data outside its data ranges", {
          expected: "zeros",
          found: `data between byte ${at} and ${at + part.length}`,
          where: this.#path,
        });
      }
    }
  }

  /** @throws KelpieError `malformed` if there is more than was declared. */
  async expectEnd(): Promise<void> {
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) return;
      this.#chunk = next.value;
    }
    throw wrongSize(this.#path, this.#sizeBytes, "more");
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }

  async #take(maxBytes: number): Promise<Uint8Array> {
    throwIfCancelled(this.#signal);
    while (this.#chunk.length === 0) {
      const next = await this.#chunks.next();
      if (next.done === true) throw wrongSize(this.#path, this.#sizeBytes, `${this.#position}`);
      this.#chunk = next.value;
    }
    const part = this.#chunk.subarray(0, maxBytes);
    this.#chunk = this.#chunk.subarray(part.length);
    this.#position += part.length;
    return part;
  }
}

/** The error of a source that does not hold what it declared. */
export function wrongSize(path: string, declared: number, found: string): KelpieError {
  return new KelpieError("malformed", "A file's content does not have the size that it was said to have", {
    expected: `${declared} bytes`,
    found,
    where: path,
  });
}

export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  throw new KelpieError("cancelled", "The writing of an ext4 file system was cancelled", {
    cause: signal.reason,
  });
}
