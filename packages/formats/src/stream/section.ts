// The content of one archive member: a part of a stream that its reader may leave unread.

import { KelpieError } from "@kelpie/platform";
import type { StreamReader } from "./stream-reader.ts";

const maxChunkBytes = 1 << 20;

/** The next `sizeBytes` bytes of a reader, handed to somebody else while the reader waits. */
export interface Section {
  readonly content: AsyncIterable<Uint8Array>;
  /** Passes over what was not read; reading on afterwards is an error. */
  finish(): Promise<void>;
}

/** A section of `sizeBytes` bytes from here on. `what` is for messages ("the content of etc/passwd"). */
export function section(reader: StreamReader, sizeBytes: number, what: string): Section {
  let left = sizeBytes;
  let finished = false;
  return {
    content: {
      async *[Symbol.asyncIterator]() {
        while (left > 0 || finished) {
          if (finished) {
            throw new KelpieError("internal", `${what} is read after the archive has moved on`);
          }
          const part = await reader.readSome(Math.min(left, maxChunkBytes));
          if (part === undefined) throw cutOff(reader, sizeBytes, left, what);
          left -= part.length;
          yield part;
        }
      },
    },
    async finish() {
      finished = true;
      await reader.skip(left, what);
      left = 0;
    },
  };
}

function cutOff(reader: StreamReader, sizeBytes: number, left: number, what: string): KelpieError {
  return new KelpieError("malformed", `${what} is cut off`, {
    expected: `${sizeBytes} bytes`,
    found: `${sizeBytes - left}`,
    where: reader.at(),
  });
}
