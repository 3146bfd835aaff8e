// Which lock the options choose.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lockChoice } from "./lock-options.ts";

test("a build takes the lock beside its spec unless it is told which, or none", () => {
  assert.equal(lockChoice({}), undefined);
  assert.deepEqual(lockChoice({ locked: "a.lock.yaml" }), { kind: "file", path: "a.lock.yaml" });
  assert.deepEqual(lockChoice({ unlocked: true }), { kind: "none" });
  assert.deepEqual(lockChoice({ vendored: "kept" }), { kind: "vendored", directory: "kept" });
  assert.throws(() => lockChoice({ locked: "a", vendored: "kept" }), { code: "usage" });
  assert.throws(() => lockChoice({ locked: "a", unlocked: true }), { code: "usage" });
});
