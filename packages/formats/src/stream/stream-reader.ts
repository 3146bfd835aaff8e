// Reads a stream of chunks by exact lengths, without ever joining more bytes than were asked for.

import { KelpieError } from "@kelpie/platform";

const nothing = new Uint8Array(0);

/**
 * A cursor over a stream. Bytes that it returns are valid until the next call: they may be a view of the source's chunk.
 * One call at a time.
 */
export class StreamReader {
  readonly #iterator: AsyncIterator<Uint8Array>;
  readonly #where: string | undefined;
  #chunk: Uint8Array = nothing;
  #position = 0;
  #offset = 0;
  #ended = false;

  /** `where` names the stream in messages. */
  constructor(source: AsyncIterable<Uint8Array>, where?: string) {
    this.#iterator = source[Symbol.asyncIterator]();
    this.#where = where;
  }

  /** How many bytes have been consumed. */
  get offset(): number {
    return this.#offset;
  }

  /** "data.tar, byte 512": for a message about the byte at `offset`. */
  at(offset = this.#offset): string {
    return `${this.#where === undefined ? "" : `${this.#where}, `}byte ${offset}`;
  }

  /** The next bytes, at least one and at most `maxBytes`, as they come; undefined at the end. */
  async readSome(maxBytes: number): Promise<Uint8Array | undefined> {
    if (!(await this.#fill())) return undefined;
    return this.#take(Math.min(maxBytes, this.#chunk.length - this.#position));
  }

  /** The next `sizeBytes` bytes, or fewer where the stream ends before. */
  async readUpTo(sizeBytes: number): Promise<Uint8Array> {
    if (sizeBytes === 0 || !(await this.#fill())) return nothing;
    if (this.#chunk.length - this.#position >= sizeBytes) return this.#take(sizeBytes);
    const joined = new Uint8Array(sizeBytes);
    let filled = 0;
    while (filled < sizeBytes && (await this.#fill())) {
      const part = this.#take(Math.min(sizeBytes - filled, this.#chunk.length - this.#position));
      joined.set(part, filled);
      filled += part.length;
    }
    return joined.subarray(0, filled);
  }

  /** The next `sizeBytes` bytes; `malformed` where the stream ends before. `what` is for the message ("a tar header"). */
  async readExactly(sizeBytes: number, what: string): Promise<Uint8Array> {
    const start = this.#offset;
    const bytes = await this.readUpTo(sizeBytes);
    if (bytes.length < sizeBytes) throw this.#truncated(what, sizeBytes, bytes.length, start);
    return bytes;
  }

  /** Passes over `sizeBytes` bytes; `malformed` where the stream ends before. */
  async skip(sizeBytes: number, what: string): Promise<void> {
    const start = this.#offset;
    let left = sizeBytes;
    while (left > 0) {
      const part = await this.readSome(left);
      if (part === undefined) throw this.#truncated(what, sizeBytes, sizeBytes - left, start);
      left -= part.length;
    }
  }

  /** Makes the last `sizeBytes` bytes of what the last `readSome` returned unread again. */
  giveBack(sizeBytes: number): void {
    if (sizeBytes > this.#position) {
      throw new KelpieError("internal", "More bytes are given back than were read", {
        expected: `at most ${this.#position}`,
        found: `${sizeBytes}`,
      });
    }
    this.#position -= sizeBytes;
    this.#offset -= sizeBytes;
  }

  /** Whether no byte is left. */
  async isAtEnd(): Promise<boolean> {
    return !(await this.#fill());
  }

  /** Tells the source that no more is wanted. */
  async close(): Promise<void> {
    this.#ended = true;
    this.#chunk = nothing;
    this.#position = 0;
    await this.#iterator.return?.();
  }

  #take(sizeBytes: number): Uint8Array {
    const bytes = this.#chunk.subarray(this.#position, this.#position + sizeBytes);
    this.#position += sizeBytes;
    this.#offset += sizeBytes;
    return bytes;
  }

  /** Sees to it that the current chunk has a byte to give; false at the end. */
  async #fill(): Promise<boolean> {
    while (this.#position === this.#chunk.length) {
      if (this.#ended) return false;
      const result = await this.#iterator.next();
      if (result.done === true) {
        this.#ended = true;
        return false;
      }
      this.#chunk = result.value;
      this.#position = 0;
    }
    return true;
  }

  #truncated(what: string, expected: number, found: number, start: number): KelpieError {
    return new KelpieError("malformed", `${what} is cut off`, {
      expected: `${expected} bytes`,
      found: `${found}`,
      where: this.at(start),
    });
  }
}
