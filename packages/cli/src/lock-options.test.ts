// Which lock the options choose.

import assert from "node:assert/strict";
import { test } from "node:test";
import { lockChoice } from "./lock-options.ts";

test("a build takes the lock beside its spec unless it is told which, or none", () => {
  assert.equal(lockChoice({}), undefined);
  assert.deepEqual(lockChoice({ locked: "a.lock.yaml" }), { kind: "file", path: "a.lock.yaml" });
  assert.deepEqual(lockChoice({ unlocked: true }), { kind: "none" });
  assert.deepEqual(lockChoice({ vendored: "kept" }), { kind: "vendored", from: "kept" });
  assert.throws(() => lockChoice({ locked: "a", vendored: "kept" }), { code: "usage" });
  assert.throws(() => lockChoice({ locked: "a", unlocked: true }), { code: "usage" });
});

test("what was vendored is a directory, an image layout or an artifact in a registry", () => {
  const digest = `sha256:${"ab".repeat(32)}` as const;
  const registry = { host: "ghcr.io", name: "org/kept" };
  for (const [text, from] of [
    ["dist/kept", "dist/kept"],
    ["oci:dist/kept", { kind: "layout", directory: "dist/kept" }],
    [
      `ghcr.io/org/kept@${digest}`,
      { kind: "registry", reference: { ...registry, target: { kind: "digest", digest } } },
    ],
    [
      "oci://ghcr.io/org/kept:1.0",
      { kind: "registry", reference: { ...registry, target: { kind: "tag", tag: "1.0" } } },
    ],
  ] as const)
    assert.deepEqual(lockChoice({ vendored: text }), { kind: "vendored", from });
});
