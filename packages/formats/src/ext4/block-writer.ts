// Gathers small writes into large ones, and leaves out long runs of zeros: what stands between the layout and a sink.

import type { ByteSink } from "../byte-sink.ts";
import { KelpieError } from "@kelpie/platform";
import { blockBytes } from "./constants.ts";
import { isZero } from "../zeros.ts";

const bufferBytes = 1024 * 1024;
/** A shorter run of zeros costs less to write than to leave out. */
const minHoleBytes = 64 * 1024;

/** Takes bytes in order. One buffer is filled while the other is being written. */
export class BlockWriter {
  readonly #sink: ByteSink;
  #filling = new Uint8Array(bufferBytes);
  #spare = new Uint8Array(bufferBytes);
  #filled = 0;
  #flushed = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** How many bytes were taken. */
  get position(): number {
    return this.#flushed + this.#filled;
  }

  async write(bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const take = Math.min(bytes.length - done, bufferBytes - this.#filled);
      this.#filling.set(take === bytes.length ? bytes : bytes.subarray(done, done + take), this.#filled);
      this.#filled += take;
      done += take;
      if (this.#filled === bufferBytes) await this.#flush();
    }
  }

  /** Zeros up to byte `end`. */
  async zerosTo(end: number): Promise<void> {
    const count = end - this.position;
    if (count < 0)
      throw new KelpieError("internal", "Blocks of an ext4 file system are written out of order");
    if (count <= bufferBytes - this.#filled) {
      this.#filling.fill(0, this.#filled, this.#filled + count);
      this.#filled += count;
      return;
    }
    await this.#flush();
    await this.#writing;
    await this.#sink.skip(count);
    this.#flushed += count;
  }

  /** Zeros up to the next block's start. */
  async pad(): Promise<void> {
    await this.zerosTo(Math.ceil(this.position / blockBytes) * blockBytes);
  }

  /** Returns when the sink has taken everything. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#writing;
  }

  async #flush(): Promise<void> {
    await this.#writing;
    const bytes = this.#filling.subarray(0, this.#filled);
    [this.#filling, this.#spare] = [this.#spare, this.#filling];
    this.#flushed += this.#filled;
    this.#filled = 0;
    this.#writing = writeWithHoles(this.#sink, bytes);
    // A failure is reported by the next flush; until then it is not unhandled.
    this.#writing.catch(() => undefined);
  }
}

async function writeWithHoles(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  let start = 0;
  for (let at = 0; at < bytes.length; ) {
    const end = holeEnd(bytes, at);
    if (end === at) {
      at += minHoleBytes;
      continue;
    }
    if (at > start) await sink.write(bytes.subarray(start, at));
    await sink.skip(end - at);
    start = at = end;
  }
  if (bytes.length > start) await sink.write(bytes.subarray(start));
}

/** Where the zeros from `start` on end, in steps of the smallest hole. */
function holeEnd(bytes: Uint8Array, start: number): number {
  let end = start;
  while (end + minHoleBytes <= bytes.length && isZero(bytes.subarray(end, end + minHoleBytes)))
    end += minHoleBytes;
  return end;
}
