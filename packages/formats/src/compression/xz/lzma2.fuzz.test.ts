// The decoder by itself, without the checksums around it: any bytes come to an end, and stay within the dictionary.

import assert from "node:assert/strict";
import { test } from "node:test";
import { StreamReader } from "../../stream/stream-reader.ts";
import { fuzz } from "../../testing/fuzz.ts";
import { chunked } from "../../testing/streams.ts";
import { lzma2 } from "./lzma2.ts";

const corpus = [
  // One LZMA chunk, one uncompressed chunk, and both.
  Buffer.from("e00013000e5d00341949ee8def8c8731f52f640000", "hex"),
  Buffer.from("01000568656c6c6f0a00", "hex"),
  Buffer.from("01000568656c6c6f0ac00013000e5d00341949ee8def8c8731f52f640000", "hex"),
];

test("mutated LZMA2 data is decoded to as many bytes as it states, or a KelpieError", async () => {
  const { accepted, refused } = await fuzz({
    name: "lzma2",
    corpus,
    runs: 2000,
    run: async (input) => {
      let outputBytes = 0;
      for await (const chunk of lzma2(new StreamReader(chunked(input, 31)), 4096))
        outputBytes += chunk.length;
      // A chunk states at most 2 MiB, in at least 5 bytes.
      assert.ok(outputBytes <= (input.length / 5) * 2 ** 21);
    },
  });
  assert.ok(accepted > 20 && refused > 100, `${accepted} accepted, ${refused} refused`);
});
