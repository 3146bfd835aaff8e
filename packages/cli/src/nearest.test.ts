// Which word was meant.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, nearest } from "./nearest.ts";

for (const [word, meant] of [
  ["--jsn", "--json"],
  ["--memroy", "--memory"],
  ["--jason", "--json"],
  ["--something", undefined],
  ["x", undefined],
] as const) {
  test(`${word} is ${meant === undefined ? "nothing that is known" : `taken for ${meant}`}`, () =>
    assert.equal(nearest(word, ["--json", "--memory", "--arch"]), meant));
}

test("the distance of two words is a metric, and no longer than the longer one", () => {
  const word = fc.string({ maxLength: 8 });
  fc.assert(
    fc.property(word, word, word, (a, b, c) => {
      const ab = editDistance(a, b);
      assert.equal(ab, editDistance(b, a));
      assert.equal(ab === 0, a === b);
      assert.ok(ab <= Math.max(Array.from(a).length, Array.from(b).length));
      assert.ok(editDistance(a, c) <= ab + editDistance(b, c));
    }),
  );
});
