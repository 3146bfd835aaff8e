import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { canonicalJson } from "./canonical-json.ts";
import { type ImagePlan, planSha256, planText } from "./image-plan.ts";

const tool = {
  ecosystem: "debian",
  name: "tool",
  version: "1",
  architecture: "amd64",
  location: "http://one.example/tool.deb",
  sizeBytes: 5,
  digest: `sha256:${"a".repeat(64)}`,
} as const;

const plan: ImagePlan = {
  formatVersion: 1,
  architecture: "amd64",
  identity: { version: "1.0.0-20260115-a3f4d21", gitSha: "a3f4d21", timestampSeconds: 1 },
  base: undefined,
  packages: [tool],
  kernel: { source: "debian", package: tool },
  guest: { init: "sha256:1", agent: "sha256:2" },
  hostFiles: [],
  settings: {
    name: "small",
    description: "",
    distribution: "debian",
    repositories: { alpine: [], debian: { release: "bookworm" } },
    users: [],
    groups: [],
    environment: {},
    hostname: "kelpie",
    sizeBytes: undefined,
    freeBytes: undefined,
    journalBytes: undefined,
    scripts: {},
    init: undefined,
    files: {},
  },
};

test("the mirror that a package comes from is in the plan's text and not in its digest", () => {
  const moved = { ...tool, location: "http://two.example/tool.deb" };
  const other: ImagePlan = { ...plan, packages: [moved], kernel: { source: "debian", package: moved } };
  assert.notEqual(planText(other), planText(plan));
  assert.equal(planSha256(other), planSha256(plan));
});

test("everything else changes the digest", () => {
  const others: ImagePlan[] = [
    { ...plan, architecture: "arm64" },
    { ...plan, packages: [{ ...tool, digest: `sha256:${"b".repeat(64)}` }] },
    { ...plan, packages: [] },
    { ...plan, base: { location: "x", sha512: "y" } },
    { ...plan, kernel: { source: "path", files: [] } },
    { ...plan, guest: { init: "sha256:1", agent: "sha256:3" } },
    { ...plan, identity: { ...plan.identity, timestampSeconds: 2 } },
    { ...plan, hostFiles: [{ role: "file: /x", content: "sha256:4", executable: false }] },
    { ...plan, settings: { ...plan.settings, environment: { A: "b" } } },
    { ...plan, settings: { ...plan.settings, scripts: { tool: "skip" } } },
  ];
  assert.equal(new Set([plan, ...others].map(planSha256)).size, others.length + 1);
});

test("one value has one JSON text, whatever the order of its keys, and reads back as it was", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = canonicalJson(value);
      assert.equal(canonicalJson(JSON.parse(text)), text);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
    }),
  );
  assert.equal(canonicalJson({ b: 1, a: { d: undefined, c: [2] } }), '{"a":{"c":[2]},"b":1}');
  assert.equal(canonicalJson({ a: 1, b: 2 }), canonicalJson({ b: 2, a: 1 }));
});
