// Where a writer of a format puts its bytes: one pass, forward.

/** Takes bytes in order. A returned promise is back-pressure: await it before the next call. */
export interface ByteSink {
  /** The bytes may be reused by the caller once the promise is resolved. */
  write(bytes: Uint8Array): Promise<void>;
  /** As `write` of that many zero bytes, which a file may keep as a hole. */
  skip(sizeBytes: number): Promise<void>;
}

/** A sink that keeps everything in memory, for tests and small archives. */
export class MemorySink implements ByteSink {
  readonly #chunks: Uint8Array[] = [];
  #sizeBytes = 0;

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  write(bytes: Uint8Array): Promise<void> {
    // Not slice(): a Buffer's shares its memory.
    this.#chunks.push(new Uint8Array(bytes));
    this.#sizeBytes += bytes.length;
    return Promise.resolve();
  }

  skip(sizeBytes: number): Promise<void> {
    this.#chunks.push(new Uint8Array(sizeBytes));
    this.#sizeBytes += sizeBytes;
    return Promise.resolve();
  }

  toBytes(): Uint8Array {
    const whole = new Uint8Array(this.#sizeBytes);
    let offset = 0;
    for (const chunk of this.#chunks) {
      whole.set(chunk, offset);
      offset += chunk.length;
    }
    return whole;
  }
}
