// Reads files' contents in the order of their blocks: small ones ahead of time and several at once, large ones as streams.

import { KelpieError } from "@kelpie/platform";
import type { ByteSource } from "../byte-source.ts";
import type { BlockWriter } from "./block-writer.ts";

/** A file whose content is wanted. */
export interface WantedContent {
  readonly source: ByteSource;
  readonly path: string;
}

const maxAheadBytes = 8 * 1024 ** 2;
const maxAheadFiles = 32;
const maxSmallBytes = 512 * 1024;

/**
 * The content of each of `wanted`, in their order: whole, where it is in memory or small, and else undefined, for the
 * caller to stream. Up to 32 files are being read at a time, because opening a file takes longer than copying it.
 */
export async function* readAhead(
  wanted: Iterable<WantedContent>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array | undefined, void, undefined> {
  const iterator = wanted[Symbol.iterator]();
  const queue: {
    readonly content: Promise<Uint8Array> | Uint8Array | undefined;
    readonly sizeBytes: number;
  }[] = [];
  let aheadBytes = 0;
  let isExhausted = false;
  for (;;) {
    while (!isExhausted && queue.length < maxAheadFiles && aheadBytes < maxAheadBytes) {
      const next = iterator.next();
      if (next.done === true) {
        isExhausted = true;
        break;
      }
      const { source, path } = next.value;
      const isRead = source.bytes === undefined && source.sizeBytes <= maxSmallBytes;
      const content = isRead ? readWhole(source, path, signal) : source.bytes;
      // Its failure is reported in its turn; until then it is not unhandled.
      if (content instanceof Promise) content.catch(() => undefined);
      const sizeBytes = isRead ? source.sizeBytes : 0;
      aheadBytes += sizeBytes;
      queue.push({ content, sizeBytes });
    }
    const first = queue.shift();
    if (first === undefined) return;
    aheadBytes -= first.sizeBytes;
    yield await first.content;
  }
}

async function readWhole(
  source: ByteSource,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const whole = new Uint8Array(source.sizeBytes);
  let at = 0;
  for await (const chunk of source.open(signal)) {
    if (at + chunk.length > whole.length) throw wrongSize(path, source.sizeBytes, "more");
    whole.set(chunk, at);
    at += chunk.length;
  }
  if (at < whole.length) throw wrongSize(path, source.sizeBytes, `${at}`);
  return whole;
}

/** One content on its way to its blocks. */
export class ContentCursor {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  readonly #sizeBytes: number;
  readonly #path: string;
  #chunk: Uint8Array = new Uint8Array(0);
  #position = 0;

  constructor(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, sizeBytes: number, path: string) {
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

function wrongSize(path: string, declared: number, found: string): KelpieError {
  return new KelpieError("malformed", "A file's content does not have the size that it was said to have", {
    expected: `${declared} bytes`,
    found,
    where: path,
  });
}
