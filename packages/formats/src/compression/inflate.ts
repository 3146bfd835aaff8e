// One raw deflate stream (RFC 1951) out of a longer stream, leaving the reader at the byte behind it.

import { KelpieError } from "@kelpie/platform";
import { createInflateRaw } from "node:zlib";
import type { StreamReader } from "../stream/stream-reader.ts";

/** A chunk may expand a thousandfold before the consumer is asked again, so it is kept small. */
const inputBytes = 64 * 1024;
const outputBytes = 256 * 1024;

/**
 * The inflated bytes. `onCompressed` is given exactly the bytes of the deflate stream.
 * The stream must be read to its end, or the reader is of no further use.
 */
export async function* inflateRaw(
  reader: StreamReader,
  onCompressed: (bytes: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const start = reader.offset;
  const inflate = createInflateRaw({ chunkSize: outputBytes });
  let current: Uint8Array = new Uint8Array(0);
  let takenBefore = 0;

  const feed = async (): Promise<void> => {
    for (;;) {
      const next = await reader.readSome(inputBytes);
      if (next === undefined) {
        inflate.end();
        return;
      }
      takenBefore = inflate.bytesWritten;
      current = next;
      await new Promise<void>((resolve) => inflate.write(next, () => resolve()));
      // zlib leaves bytes behind only where the deflate stream has ended.
      if (inflate.bytesWritten - takenBefore < next.length) return;
      onCompressed(next);
    }
  };
  feed().catch((error: unknown) => inflate.destroy(error instanceof Error ? error : undefined));

  try {
    for await (const chunk of inflate) yield chunk as Uint8Array;
    const takenOfCurrent = inflate.bytesWritten - takenBefore;
    if (takenOfCurrent < current.length) {
      onCompressed(current.subarray(0, takenOfCurrent));
      reader.giveBack(current.length - takenOfCurrent);
    }
  } catch (cause) {
    if (KelpieError.is(cause)) throw cause;
    throw new KelpieError("malformed", "Compressed data is damaged", {
      expected: "a whole deflate stream",
      found: cause instanceof Error ? cause.message : String(cause),
      where: reader.at(start),
      cause,
    });
  } finally {
    inflate.destroy();
  }
}
