// From somebody who writes to a sink to somebody who reads a stream, without anything piling up between them.

import type { ByteSink } from "../byte-sink.ts";
import { KelpieError } from "@kelpie/platform";

const zeros = new Uint8Array(1 << 20);

/** The bytes that `write` puts into its sink, as they are taken. A reader that stops early ends the writer. */
export async function* produced(
  write: (sink: ByteSink) => Promise<unknown>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let offered = Promise.withResolvers<Uint8Array | undefined>();
  let taken = Promise.withResolvers<undefined>();
  const offer = async (bytes: Uint8Array): Promise<void> => {
    // A copy, since the reader may hold a chunk beyond its next one, and the writer uses its buffer again.
    offered.resolve(bytes.slice());
    await taken.promise;
  };
  const sink: ByteSink = {
    write: offer,
    skip: async (sizeBytes) => {
      for (let left = sizeBytes; left > 0; left -= zeros.length)
        await offer(zeros.subarray(0, Math.min(left, zeros.length)));
    },
  };
  const writer = write(sink).then(
    () => offered.resolve(undefined),
    (error: unknown) => offered.reject(error),
  );
  try {
    for (let chunk = await offered.promise; chunk !== undefined; chunk = await offered.promise) {
      yield chunk;
      offered = Promise.withResolvers();
      const previous = taken;
      taken = Promise.withResolvers();
      previous.resolve(undefined);
    }
  } finally {
    // Where the reader stopped early, the writer's piece is refused, and its failure is nobody's.
    offered.promise.catch(() => undefined);
    taken.promise.catch(() => undefined);
    taken.reject(new KelpieError("cancelled", "Nobody reads any more"));
    await writer;
  }
}
