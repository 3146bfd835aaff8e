// Any bytes are a compressed stream, within its limits, or a KelpieError.

import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, gzipSync, zstdCompressSync } from "node:zlib";
import { fuzz } from "../testing/fuzz.ts";
import { chunked } from "../testing/streams.ts";
import { decompress } from "./decompress.ts";

const maxOutputBytes = 300_000;
const text = "hello, hello, hello; ".repeat(40);
const xz = Buffer.from(
  "fd377a585a000004e6d6b4460200210116000000742fe5a3e00013000e5d00341949ee8def8c8731f52f6400000000" +
    "00b0488559d7a9ae4b00012a147ead37551fb6f37d010000000004595a",
  "hex",
);
/** Makes right the CRCs of the stream header and the block header. */
function repairXz(input: Uint8Array): Buffer {
  const fixed = Buffer.from(input);
  const headerEnd = 12 + ((fixed[12] ?? 0) + 1) * 4;
  if (fixed.length < headerEnd) return fixed;
  fixed.writeUInt32LE(crc32(fixed.subarray(6, 8)), 8);
  fixed.writeUInt32LE(crc32(fixed.subarray(12, headerEnd - 4)), headerEnd - 4);
  return fixed;
}

const lz4 = Buffer.from("02214c18" + "0f000000" + "6f68656c6c6f2c0600" + "305068656c6c", "hex");

for (const [format, corpus, repair] of [
  ["gzip", [gzipSync(text), Buffer.concat([gzipSync("a"), gzipSync("b", { level: 0 })])], undefined],
  [
    "zstd",
    [zstdCompressSync(text), zstdCompressSync("a"), Buffer.from("502a4d1801000000ff", "hex")],
    undefined,
  ],
  ["xz", [xz], repairXz],
  ["lz4-legacy", [lz4], undefined],
] as const) {
  test(`mutated ${format} streams give bytes within their limit, or a KelpieError`, async () => {
    const { refused } = await fuzz({
      name: format,
      corpus,
      ...(repair === undefined ? {} : { repair }),
      run: async (input) => {
        let outputBytes = 0;
        for await (const chunk of decompress(chunked(input, 31), { format, maxOutputBytes })) {
          outputBytes += chunk.length;
          assert.ok(outputBytes <= maxOutputBytes);
        }
      },
    });
    assert.ok(refused > 100);
  });
}
