// The keys that leave a process, and those that only look like them.

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import fc from "fast-check";
import { Keyboard } from "./keyboard.ts";

async function type(
  chunks: readonly string[],
  detachKeys = true,
): Promise<{ typed: string; detached: boolean }> {
  const keyboard = new Keyboard(Readable.from(chunks.map((chunk) => Buffer.from(chunk))), { detachKeys });
  const typed: Uint8Array[] = [];
  for await (const bytes of keyboard) typed.push(bytes);
  return { typed: Buffer.concat(typed).toString(), detached: keyboard.detached.aborted };
}

for (const [chunks, expected] of [
  [["ls\u0010\u0011more"], { typed: "ls", detached: true }],
  [["ls", "\u0010", "\u0011"], { typed: "ls", detached: true }],
  [["a\u0010b"], { typed: "a\u0010b", detached: false }],
  [["\u0010\u0010\u0011"], { typed: "\u0010", detached: true }],
  [["a\u0010"], { typed: "a\u0010", detached: false }],
  [["\u0011"], { typed: "\u0011", detached: false }],
] as const) {
  test(`typed in pieces ${JSON.stringify(chunks)}`, async () => {
    assert.deepEqual(await type(chunks), expected);
  });
}

test("without detach keys every byte goes through", async () => {
  assert.deepEqual(await type(["\u0010\u0011"], false), { typed: "\u0010\u0011", detached: false });
});

test("what is not the two keys in a row comes out as it went in, however it is cut", async () => {
  const text = fc.string({ unit: fc.constantFrom("a", "\u0010", "b") });
  await fc.assert(
    fc.asyncProperty(fc.array(text), async (chunks) => {
      assert.deepEqual(await type(chunks), { typed: chunks.join(""), detached: false });
    }),
  );
});
