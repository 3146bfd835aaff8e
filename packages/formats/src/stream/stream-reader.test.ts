import { KelpieError } from "@kelpie/platform";
import fc from "fast-check";
import assert from "node:assert/strict";
import { test } from "node:test";
import { chunked } from "../testing/streams.ts";
import { section } from "./section.ts";
import { StreamReader } from "./stream-reader.ts";

const bytes = Uint8Array.from({ length: 1000 }, (_, index) => index % 251);

test("a reader gives the same bytes however the stream is cut and however they are asked for", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 400 }),
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 1 }),
      async (chunkBytes, sizes) => {
        const reader = new StreamReader(chunked(bytes, chunkBytes));
        let offset = 0;
        for (const size of sizes) {
          if (offset + size > bytes.length) break;
          assert.deepEqual(
            [...(await reader.readExactly(size, "x"))],
            [...bytes.subarray(offset, offset + size)],
          );
          offset += size;
          assert.equal(reader.offset, offset);
        }
      },
    ),
  );
});

test("a reader says where a stream ends too soon", async () => {
  const reader = new StreamReader(chunked(bytes, 7), "x.tar");
  await reader.skip(990, "a gap");
  await assert.rejects(reader.readExactly(20, "A tail"), {
    code: "malformed",
    message: "A tail is cut off (x.tar, byte 990): expected 20 bytes, found 10",
  });
});

test("bytes that are given back are read again", async () => {
  const reader = new StreamReader(chunked(bytes, 100));
  const first = await reader.readSome(60);
  assert.equal(first?.length, 60);
  reader.giveBack(20);
  assert.equal(reader.offset, 40);
  assert.deepEqual([...(await reader.readExactly(100, "x"))], [...bytes.subarray(40, 140)]);
  assert.throws(() => reader.giveBack(99), { code: "internal" });
});

test("a section that is left unread is passed over, and refuses to be read later", async () => {
  const reader = new StreamReader(chunked(bytes, 3));
  const part = section(reader, 500, "a part");
  for await (const chunk of part.content) {
    assert.equal(chunk.length, 3);
    break;
  }
  await part.finish();
  assert.equal(reader.offset, 500);
  await assert.rejects(
    async () => {
      for await (const _ of part.content);
    },
    (error: unknown) => KelpieError.is(error) && error.code === "internal",
  );
});

test("closing a reader ends its source", async () => {
  let isEnded = false;
  const source = (async function* () {
    try {
      for (;;) yield await Promise.resolve(bytes);
    } finally {
      isEnded = true;
    }
  })();
  const reader = new StreamReader(source);
  await reader.readSome(1);
  await reader.close();
  assert.ok(isEnded);
  assert.equal(await reader.readSome(1), undefined);
});
