import assert from "node:assert/strict";
import { test } from "node:test";
import { MemorySink } from "../byte-sink.ts";
import { bytesSource } from "../byte-source.ts";
import { all, chunked } from "../testing/streams.ts";
import { BlockWriter } from "./block-writer.ts";
import { collect } from "./collect.ts";
import { tee } from "./tee.ts";

const bytes = Uint8Array.from({ length: 700_000 }, (_, index) => index % 251);

test("collecting stops at its limit", async () => {
  assert.deepEqual(await collect(chunked(bytes.subarray(0, 10), 3), 10), bytes.slice(0, 10));
  await assert.rejects(collect(chunked(bytes, 3), 10, "A header"), {
    code: "limit-exceeded",
    message: "A header is too large: expected at most 10 bytes, found more",
  });
});

test("a stream is kept while it is read", async () => {
  const sink = new MemorySink();
  const read = await all(tee(chunked(bytes, 999), sink));
  assert.ok(read.equals(bytes));
  assert.ok(Buffer.from(sink.toBytes()).equals(bytes));
});

test("pieces of any size come through a writer in order, and in few writes", async () => {
  const sizes: number[] = [];
  const sink = new MemorySink();
  const writer = new BlockWriter({
    write: (piece) => {
      sizes.push(piece.length);
      return sink.write(piece);
    },
    skip: (sizeBytes) => sink.skip(sizeBytes),
  });
  for (let at = 0; at < 100_000; at += 100) await writer.write(bytes.subarray(at, at + 100));
  await writer.content(bytesSource(bytes.subarray(100_000)), "large");
  await writer.align(4096);
  await writer.flush();
  const expected = Buffer.concat([bytes, Buffer.alloc(-bytes.length & 4095)]);
  assert.ok(Buffer.from(sink.toBytes()).equals(expected));
  assert.equal(writer.offset, expected.length);
  assert.equal(sizes.length, 3);
});
