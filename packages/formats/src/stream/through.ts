// A stream through one of Node's transforms, with back-pressure and with the errors of both sides.

import { KelpieError } from "@kelpie/platform";
import { Readable, type Transform } from "node:stream";

/**
 * What `transform` makes of `source`. A failure of `source` comes through as it is; one of the transform is `malformed` with
 * `summary` as its message.
 */
export async function* through(
  source: AsyncIterable<Uint8Array>,
  transform: Transform,
  summary: string,
  where?: string,
): AsyncGenerator<Uint8Array, void, undefined> {
  const input = Readable.from(source, { objectMode: false, highWaterMark: 1 });
  let sourceFailure: unknown;
  input.on("error", (error) => {
    sourceFailure = error;
    transform.destroy(error);
  });
  try {
    for await (const chunk of input.pipe(transform)) yield chunk as Uint8Array;
  } catch (cause) {
    if (cause === sourceFailure || KelpieError.is(cause)) throw cause;
    throw new KelpieError("malformed", summary, {
      found: cause instanceof Error ? cause.message : String(cause),
      ...(where === undefined ? {} : { where }),
      cause,
    });
  } finally {
    input.destroy();
    transform.destroy();
  }
}
