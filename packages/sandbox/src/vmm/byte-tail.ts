// The end of a stream of bytes, within a bound.

/** Keeps at least the last `limitBytes` bytes that were appended, and less than twice as many. */
export class ByteTail {
  readonly #limitBytes: number;
  #chunks: Uint8Array[] = [];
  #keptBytes = 0;
  #totalBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** How many bytes were appended and are gone. */
  get lostBytes(): number {
    return this.#totalBytes - this.#keptBytes;
  }

  append(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length;
    this.#keptBytes += bytes.length;
    this.#chunks.push(bytes);
    if (this.#keptBytes >= 2 * this.#limitBytes) {
      const kept = this.bytes().slice(-this.#limitBytes);
      this.#chunks = [kept];
      this.#keptBytes = kept.length;
    }
  }

  /** What is kept, in one piece. */
  bytes(): Uint8Array {
    return Buffer.concat(this.#chunks);
  }
}
