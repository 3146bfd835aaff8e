// One stream, read by one and kept by another.

import type { ByteSink } from "../byte-sink.ts";

/** Yields the chunks of `source` after writing each to `sink`: an archive is parsed while it is put on disk. */
export async function* tee(
  source: AsyncIterable<Uint8Array>,
  sink: Pick<ByteSink, "write">,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of source) {
    await sink.write(chunk);
    yield chunk;
  }
}
