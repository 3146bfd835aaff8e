// A stream of bytes as lines of text, each within a bound.

import { KelpieError } from "@kelpie/platform";

const lineFeed = 0x0a;

/** Yields each line without its end, as UTF-8; `limit-exceeded` for one longer than `maxBytes`. */
export async function* readLines(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<string> {
  let pieces: Uint8Array[] = [];
  let size = 0;
  const add = (piece: Uint8Array): void => {
    size += piece.length;
    if (size > maxBytes) {
      throw new KelpieError("limit-exceeded", "A line is too long", {
        expected: `at most ${maxBytes} bytes`,
      });
    }
    pieces.push(piece);
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      add(chunk.subarray(start, end));
      yield Buffer.concat(pieces).toString("utf8");
      pieces = [];
      size = 0;
      start = end + 1;
    }
    add(chunk.subarray(start));
  }
}
