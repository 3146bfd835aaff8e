// Work ahead of whoever takes its results.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { mapAhead } from "./map-ahead.ts";

test("results come in the order of their sources, with no more at once than allowed", async () => {
  let running = 0;
  let most = 0;
  const results = await Array.fromAsync(
    mapAhead(
      Array.from({ length: 20 }, (_, index) => index),
      4,
      undefined,
      async (index) => {
        most = Math.max(most, ++running);
        await sleep(index % 3);
        running -= 1;
        return index * 2;
      },
    ),
  );
  assert.deepEqual(
    results,
    Array.from({ length: 20 }, (_, index) => index * 2),
  );
  assert.equal(most, 4);
});

test("a failure aborts what is going on, and is thrown once that has ended", async () => {
  let ended = 0;
  const results = mapAhead([1, 2, 3, 4], 4, undefined, async (item, signal) => {
    if (item === 1) throw new TypeError("first");
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    ended += 1;
    return item;
  });
  await assert.rejects(Array.fromAsync(results), { message: "first" });
  assert.equal(ended, 3);
});

test("a taker that stops early leaves nothing running", async () => {
  const aborted: number[] = [];
  const results = mapAhead([1, 2, 3], 3, undefined, async (item, signal) => {
    if (item === 1) return item;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    aborted.push(item);
    return item;
  });
  for await (const result of results) {
    assert.equal(result, 1);
    break;
  }
  assert.deepEqual(aborted, [2, 3]);
});
