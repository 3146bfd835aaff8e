import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { editDistance, suggest } from "./suggest.ts";

test("the nearest word is suggested, and none where all are far", () => {
  assert.equal(suggest("packges", ["packages", "package"]), "packages");
  assert.equal(suggest("Kernal", ["kernel", "keys"]), "kernel");
  assert.equal(suggest("xyz", ["kernel", "keys"]), undefined);
});

test("a swap of neighbours counts once", () => {
  assert.equal(editDistance("debain", "debian"), 1);
  assert.equal(editDistance("", "abc"), 3);
});

test("the distance is a metric's: zero only for equals, the same both ways", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), (a, b) => {
      assert.equal(editDistance(a, b), editDistance(b, a));
      assert.equal(editDistance(a, b) === 0, a === b);
    }),
  );
});
