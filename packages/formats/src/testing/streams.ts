// Streams for tests.

import { collect } from "../stream/collect.ts";

/** `bytes` as a stream of chunks of `chunkBytes`, with an empty one now and then. */
export async function* chunked(bytes: Uint8Array, chunkBytes = 65_536): AsyncGenerator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    if (at % (3 * chunkBytes) === 0) yield new Uint8Array(0);
    yield await Promise.resolve(bytes.subarray(at, at + chunkBytes));
  }
}

/** Everything that a stream gives, as a Buffer. */
export async function all(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.from(await collect(source, 2 ** 30));
}

/** The items of an async iterable. */
export async function list<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}
