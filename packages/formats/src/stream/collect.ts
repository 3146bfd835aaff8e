// Streams that are small enough to hold.

import { KelpieError } from "@kelpie/platform";

/** All bytes of `source` in one piece; `limit-exceeded` if there are more than `maxBytes`. `what` is for the message. */
export async function collect(
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  what = "A stream",
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of source) {
    sizeBytes += chunk.length;
    if (sizeBytes > maxBytes) {
      throw new KelpieError("limit-exceeded", `${what} is too large`, {
        expected: `at most ${maxBytes} bytes`,
        found: "more",
      });
    }
    chunks.push(new Uint8Array(chunk));
  }
  const whole = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}
