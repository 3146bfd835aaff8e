// WWW-Authenticate as registries write it.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseChallenge } from "./challenge.ts";

const bearer = (realm: string, service?: string, scope?: string): unknown => ({
  kind: "bearer",
  realm,
  service,
  scope,
});

for (const [header, expected] of [
  [
    'Bearer realm="https://auth.example.com/token",service="registry",scope="repository:a/b:pull,push"',
    bearer("https://auth.example.com/token", "registry", "repository:a/b:pull,push"),
  ],
  ["bearer Realm=https://x/y , SERVICE = z", bearer("https://x/y", "z")],
  ['Bearer realm="a \\"quoted\\" word"', bearer('a "quoted" word')],
  ['Basic realm="Registry"', { kind: "basic" }],
  ['Basic realm="x", Bearer realm="y"', bearer("y")],
  ["Basic", { kind: "basic" }],
  ['Negotiate, Basic realm="x"', { kind: "basic" }],
  ['Bearer service="no realm"', undefined],
  ["Digest realm=x", undefined],
  ["", undefined],
] as const) {
  test(`what is asked for is understood of: ${header}`, () =>
    assert.deepEqual(parseChallenge(header), expected));
}

test("no header takes long or fails to be read", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 500, unit: fc.constantFrom("Bearer", " ", "=", ",", '"', "\\", "realm", "x") }),
      (header) => {
        parseChallenge(header);
      },
    ),
  );
  assert.equal(parseChallenge("Basic ".repeat(10_000)), undefined);
});
