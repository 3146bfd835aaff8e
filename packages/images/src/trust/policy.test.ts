// What a trust policy says, and what is said of one that is wrong.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { matchesIdentity, parseTrustPolicy, ruleFor } from "./policy.ts";

const text = `rules:
  - for: "*"
    required: { keys: [general] }
  - for: ghcr.io/your-org
    required: { keys: [release] }
  - for: ghcr.io/your-org/experiments
    allow-unsigned: true
  - for: https://example.com/releases/
    required: { keys: [pages] }
`;

for (const [place, rule] of [
  ["ghcr.io/your-org/kelpie-base", "rule 2, for ghcr.io/your-org"],
  ["ghcr.io/your-org", "rule 2, for ghcr.io/your-org"],
  ["ghcr.io/your-org-else/kelpie-base", "rule 1, for *"],
  ["ghcr.io/your-org/experiments/a", "rule 3, for ghcr.io/your-org/experiments"],
  ["https://example.com/releases", "rule 4, for https://example.com/releases/"],
  ["https://example.com/releases/v1", "rule 4, for https://example.com/releases/"],
  ["/a/directory", "rule 1, for *"],
] as const) {
  test(`${place} is for ${rule}`, () =>
    assert.equal(ruleFor(parseTrustPolicy(text, "policy", "/home"), place)?.text, rule));
}

test("a place that no scope covers has no rule", () =>
  assert.equal(
    ruleFor(parseTrustPolicy("rules: [{ for: a.b, allow-unsigned: true }]", "p", "/"), "c.d/e"),
    undefined,
  ));

for (const [what, wrong, at, found] of [
  [
    "a misspelt key",
    "rules:\n  - for: a.b\n    requird: { keys: [k] }\n",
    "p:3:5",
    'did you mean "required"?',
  ],
  [
    "a rule that asks for nothing",
    "rules:\n  - for: a.b\n    required: {}\n",
    "p:3:15",
    "needs keys or identities",
  ],
  [
    "allow-unsigned: false, which would say nothing",
    "rules:\n  - for: a.b\n    allow-unsigned: false\n",
    "p:3:21",
    "",
  ],
  [
    "both demands at once",
    "rules:\n  - for: a\n    required: { keys: [k] }\n    allow-unsigned: true\n",
    "p:",
    "",
  ],
  ["no rules", "{}", "p:1:1", "rules"],
  ["no YAML", "rules: [", "p:1:9", ""],
] as const) {
  test(`${what} is refused at its place`, () =>
    assert.throws(
      () => parseTrustPolicy(wrong, "p", "/"),
      (error) =>
        KelpieError.is(error) &&
        error.code === "invalid-input" &&
        error.where?.startsWith(at) === true &&
        error.found?.includes(found) === true,
    ));
}

for (const [subject, matches] of [
  ["https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1", true],
  ["https://github.com/o/r/.github/workflows/release.yml@refs/tags/", true],
  ["https://github.com/o/r/.github/workflows/releaseXyml@refs/tags/v1", false],
  ["https://github.com/o/r/.github/workflows/release.yml@refs/heads/main", false],
  ["x https://github.com/o/r/.github/workflows/release.yml@refs/tags/v1", false],
] as const) {
  test(`${subject} ${matches ? "is" : "is not"} who is meant`, () => {
    const wanted = {
      issuer: "https://issuer",
      subject: "https://github.com/o/r/.github/workflows/release.yml@refs/tags/*",
    };
    assert.equal(matchesIdentity(wanted, { issuer: "https://issuer", subject }), matches);
    assert.equal(matchesIdentity(wanted, { issuer: "https://other", subject }), false);
  });
}
