// Names in registries, as people write them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import fc from "fast-check";
import { formatReference, parseReference, parseRepository, registryOrigin } from "./reference.ts";

const digest = `sha256:${"ab".repeat(32)}` as const;

for (const [text, expected] of [
  ["ghcr.io/org/base:1.0", { host: "ghcr.io", name: "org/base", target: { kind: "tag", tag: "1.0" } }],
  [
    "oci://localhost:5000/a:latest",
    { host: "localhost:5000", name: "a", target: { kind: "tag", tag: "latest" } },
  ],
  ["[::1]:5000/a/b__c:x", { host: "[::1]:5000", name: "a/b__c", target: { kind: "tag", tag: "x" } }],
  [`GHCR.io/a@${digest}`, { host: "ghcr.io", name: "a", target: { kind: "digest", digest } }],
] as const) {
  test(`${text} is understood`, () => assert.deepEqual(parseReference(text), expected));
}

for (const text of [
  "",
  "kelpie-base:1.0",
  "ghcr.io/org/base",
  "ghcr.io/Org/base:1",
  "ghcr.io/a//b:1",
  "ghcr.io/../b:1",
  "ghcr.io/a:",
  "ghcr.io/a:-x",
  `ghcr.io/a:${"x".repeat(129)}`,
  "ghcr.io/a@sha256:12",
  "ghcr.io/a@sha512:12",
  "http://ghcr.io/a:1",
  "user@ghcr.io/a:1",
  "ghcr.io:99999/a:1",
  "ghcr.io/a:1?x=y",
  "ghcr.io\\evil.example/a:1",
]) {
  test(`${JSON.stringify(text)} is no reference`, () => {
    assert.throws(
      () => parseReference(text),
      (error) => KelpieError.is(error) && error.code === "usage",
    );
  });
}

test("a bare host gets the image's name, and a trailing slash means nothing", () => {
  assert.deepEqual(parseRepository("localhost:5000", "kelpie-base"), {
    host: "localhost:5000",
    name: "kelpie-base",
  });
  assert.deepEqual(parseRepository("ghcr.io/org/", "kelpie-base"), { host: "ghcr.io", name: "org" });
});

test("what is formatted is parsed to the same, and nothing but references and usage errors comes of any text", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.webUrl(), fc.stringMatching(/^[a-z.]{1,9}[:/][a-z0-9/:@.-]{1,20}$/)),
      (text) => {
        try {
          const reference = parseReference(text);
          assert.deepEqual(parseReference(formatReference(reference)), reference);
        } catch (error) {
          assert.ok(KelpieError.is(error) && error.code === "usage", String(error));
        }
      },
    ),
  );
});

for (const [host, origin] of [
  ["localhost:5000", "http://localhost:5000"],
  ["127.0.0.1:80", "http://127.0.0.1:80"],
  ["127.9.9.9", "http://127.9.9.9"],
  ["[::1]:5000", "http://[::1]:5000"],
  ["ghcr.io", "https://ghcr.io"],
  ["localhost.example.com", "https://localhost.example.com"],
  ["127.0.0.1.example.com", "https://127.0.0.1.example.com"],
  ["192.168.0.1:5000", "https://192.168.0.1:5000"],
  ["docker.io", "https://registry-1.docker.io"],
] as const) {
  test(`${host} is spoken to at ${origin}`, () => assert.equal(registryOrigin(host), origin));
}
