// Between the writer of an archive, which makes many small pieces, and a sink, which is better off with few large ones.

import { KelpieError } from "@kelpie/platform";
import type { ByteSink } from "../byte-sink.ts";
import type { ByteSource } from "../byte-source.ts";

const bufferBytes = 256 * 1024;

/** Gathers small writes, counts them, and pads. `flush` must be awaited at the end. */
export class BlockWriter {
  readonly #sink: ByteSink;
  readonly #buffer = new Uint8Array(bufferBytes);
  #filled = 0;
  #offset = 0;

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** How many bytes have been written. */
  get offset(): number {
    return this.#offset;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#offset += bytes.length;
    if (bytes.length > bufferBytes - this.#filled) await this.flush();
    if (bytes.length >= bufferBytes) {
      await this.#sink.write(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  async zeros(sizeBytes: number): Promise<void> {
    if (sizeBytes > 0) await this.write(new Uint8Array(sizeBytes));
  }

  /** Writes zeros up to the next multiple of `alignment` bytes. */
  async align(alignment: number): Promise<void> {
    await this.zeros((alignment - (this.#offset % alignment)) % alignment);
  }

  /** Writes a file's content; `internal` if it is not as long as it says, since its header already told the length. */
  async content(content: ByteSource, path: string): Promise<void> {
    const start = this.#offset;
    if (content.bytes === undefined) for await (const chunk of content.open()) await this.write(chunk);
    else await this.write(content.bytes);
    if (this.#offset - start !== content.sizeBytes) {
      throw new KelpieError("internal", "A file's content is not as long as it says", {
        expected: `${content.sizeBytes} bytes`,
        found: `${this.#offset - start}`,
        where: path,
      });
    }
  }

  async flush(): Promise<void> {
    if (this.#filled === 0) return;
    await this.#sink.write(this.#buffer.subarray(0, this.#filled));
    this.#filled = 0;
  }
}
