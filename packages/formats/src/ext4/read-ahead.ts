// Reads files' contents in the order of their blocks: small ones ahead of time and several at once.

import type { ByteSource } from "../byte-source.ts";
import { wrongSize } from "./content-cursor.ts";

/** A file whose content is wanted. */
export interface WantedContent {
  readonly source: ByteSource;
  readonly path: string;
}

const maxAheadFiles = 32;
const maxSmallBytes = 128 * 1024;
const pieceBytes = 512 * 1024;

/**
 * The content of each of `wanted`, in their order: whole, where it is in memory or small, and else undefined, for the
 * caller to stream. Up to 32 files are being read at a time, because to open a file takes longer than to copy it.
 * What was yielded is valid until the next is asked for: its buffer is used again.
 */
export async function* readAhead(
  wanted: Iterable<WantedContent>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array | undefined, void, undefined> {
  const buffers: Uint8Array[] = [];
  const queue: Reading[] = [];
  for (const { source, path } of wanted) {
    queue.push(startReading(source, path, buffers, signal));
    if (queue.length >= maxAheadFiles) yield* finishFirst(queue, buffers);
  }
  while (queue.length > 0) yield* finishFirst(queue, buffers);
}

interface Reading {
  readonly content: Promise<Uint8Array> | Uint8Array | undefined;
  /** Goes back to the pool afterwards. */
  readonly buffer: Uint8Array | undefined;
}

function startReading(
  source: ByteSource,
  path: string,
  buffers: Uint8Array[],
  signal: AbortSignal | undefined,
): Reading {
  if (source.bytes !== undefined || source.sizeBytes > maxSmallBytes)
    return { content: source.bytes, buffer: undefined };
  const buffer = buffers.pop() ?? new Uint8Array(maxSmallBytes);
  const content = readWhole(source, buffer.subarray(0, source.sizeBytes), path, signal);
  // Its failure is reported in its turn; until then it is not unhandled.
  content.catch(() => undefined);
  return { content, buffer };
}

async function* finishFirst(queue: Reading[], buffers: Uint8Array[]): AsyncGenerator<Uint8Array | undefined> {
  const first = queue.shift();
  if (first === undefined) return;
  yield await first.content;
  if (first.buffer !== undefined) buffers.push(first.buffer);
}

async function readWhole(
  source: ByteSource,
  into: Uint8Array,
  path: string,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (source.readInto !== undefined) {
    await source.readInto(into, 0);
    return into;
  }
  let at = 0;
  for await (const chunk of source.open(signal)) {
    if (at + chunk.length > into.length) throw wrongSize(path, into.length, "more");
    into.set(chunk, at);
    at += chunk.length;
  }
  if (at < into.length) throw wrongSize(path, into.length, `${at}`);
  return into;
}

/**
 * Reads contents that are too large to be read ahead, one after the other. A chunk is valid until the next is asked
 * for.
 */
export class PieceReader {
  readonly #buffer = new Uint8Array(pieceBytes);

  read(source: ByteSource, signal: AbortSignal | undefined): AsyncIterable<Uint8Array> {
    return source.readInto === undefined ? source.open(signal) : this.#pieces(source);
  }

  async *#pieces(source: ByteSource): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < source.sizeBytes; at += pieceBytes) {
      const piece = this.#buffer.subarray(0, Math.min(pieceBytes, source.sizeBytes - at));
      await source.readInto?.(piece, at);
      yield piece;
    }
  }
}
