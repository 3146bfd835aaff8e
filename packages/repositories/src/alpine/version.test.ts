// Alpine's version order: a table, the laws of an order, and apk itself as the judge where it can run.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { apkJudge } from "./testing/judge.ts";
import { compareVersions, isValidVersion, matchesFuzzily } from "./version.ts";

/** Each row rises from left to right. */
const rising: readonly (readonly string[])[] = [
  ["1.0_alpha", "1.0_alpha1", "1.0_alpha2", "1.0_beta", "1.0_pre", "1.0_rc1", "1.0", "1.0_cvs", "1.0_svn"],
  ["1.0_svn", "1.0_git20240101", "1.0_hg", "1.0_p", "1.0_p1", "1.0_p2", "1.0_p10"],
  ["1.2", "1.2-r0", "1.2-r1", "1.2-r10", "1.2_p1", "1.2a", "1.2b", "1.2.0", "1.2.1", "1.10"],
  ["0.9", "1.00", "1.0", "1.01", "1.02", "1.09", "1.010", "1.1", "1.9", "1.10", "2"],
  ["2.9.11_pre20051101-r2", "2.9.11_pre20051101-r3", "2.9.11_pre20061021-r1", "2.9.11"],
  ["0.1.0_alpha_pre2", "0.1.0_alpha", "0.1.0"],
  ["1.0.0_pre20191002222144-r0", "1.0.0_pre20210530193627-r0", "20191002222144", "99999999999999999"],
  ["6b-r7", "6c", "6c1", "7"],
];

test("versions are ordered by number, letter, suffix and revision", () => {
  for (const row of rising) {
    for (const [index, version] of row.entries()) {
      assert.equal(compareVersions(version, version), 0, version);
      for (const later of row.slice(index + 1)) {
        assert.equal(compareVersions(version, later), -1, `${version} < ${later}`);
        assert.equal(compareVersions(later, version), 1, `${later} > ${version}`);
      }
    }
  }
});

test("only what apk can read is a valid version", () => {
  const valid = [
    "1",
    "1.2.3",
    "1.2a",
    "1_alpha1_p2-r3",
    "20240101",
    "1.2-r0",
    "007",
    "1_git20200101-r12",
    "1b2",
  ];
  const invalid = ["1.2ab", "1_foo", "1-1", "1.0-", "1 ", "1.2-r1.3", "1a.1", "123456789012345678", "1~ab"];
  for (const version of valid) assert.equal(isValidVersion(version), true, version);
  for (const version of invalid) assert.equal(isValidVersion(version), false, version);
});

test("a fuzzy constraint is a prefix by whole tokens", () => {
  for (const version of ["1.2", "1.2.3", "1.2a", "1.2_p1", "1.2-r5"]) {
    assert.equal(matchesFuzzily(version, "1.2"), true, version);
  }
  for (const version of ["1.1", "1.20", "1.3", "2"])
    assert.equal(matchesFuzzily(version, "1.2"), false, version);
});

const oneOf = (characters: string): fc.Arbitrary<string> => fc.constantFrom(...Array.from(characters));
const number = fc.integer({ min: 1, max: 12 }).map(String);
const component = fc.oneof(
  number,
  fc.constant("0"),
  number.map((digits) => `0${digits}`),
);
const suffix = fc
  .tuple(fc.constantFrom("alpha", "beta", "pre", "rc", "cvs", "svn", "git", "hg", "p"), fc.option(number))
  .map(([word, digits]) => `_${word}${digits ?? ""}`);
const anyVersion = fc
  .tuple(
    number,
    fc.array(component, { maxLength: 3 }),
    fc.constantFrom("", "", "a", "b"),
    fc.array(suffix, { maxLength: 2 }),
    fc.option(number),
  )
  .map(
    ([first, rest, letter, suffixes, revision]) =>
      [first, ...rest].join(".") + letter + suffixes.join("") + (revision === null ? "" : `-r${revision}`),
  );

test("the order is total: antisymmetric, transitive, and equal only to itself or to what compares alike", () => {
  fc.assert(
    fc.property(anyVersion, anyVersion, anyVersion, (a, b, c) => {
      assert.equal(isValidVersion(a), true);
      assert.equal(compareVersions(a, a), 0);
      assert.equal(compareVersions(a, b), -compareVersions(b, a) || 0);
      if (compareVersions(a, b) <= 0 && compareVersions(b, c) <= 0) assert.ok(compareVersions(a, c) <= 0);
    }),
    { numRuns: 3000 },
  );
});

test("any text compares to any text without failing, and consistently both ways", () => {
  const text = fc.string({ unit: oneOf("0019.._--rabp~ Aé"), maxLength: 12 });
  fc.assert(
    fc.property(text, text, (a, b) => {
      assert.equal(compareVersions(a, b), -compareVersions(b, a) || 0);
      isValidVersion(a);
    }),
    { numRuns: 3000 },
  );
});

test("apk orders and accepts versions as we do", async (context) => {
  const judge = await apkJudge();
  if (judge.kind === "absent") {
    context.skip(judge.reason);
    return;
  }
  await using apk = judge;
  const wild = fc.string({ unit: oneOf("0012.._-rabp"), minLength: 1, maxLength: 7 });
  const pairs = [
    ...fc.sample(fc.tuple(anyVersion, anyVersion), 300),
    ...fc.sample(fc.tuple(wild, wild), 300).filter(([a, b]) => !a.startsWith("-") && !b.startsWith("-")),
  ];
  const script = pairs.map(
    ([a, b]) => `apk version -t '${a}' '${b}'; apk version -c '${a}' >/dev/null && echo ok || echo bad`,
  );
  const answers = (await apk.run(["sh", "-c", script.join("\n")])).stdout.trimEnd().split("\n");
  assert.equal(answers.length, pairs.length * 2);
  const signs = { "-1": "<", "0": "=", "1": ">" } as const;
  for (const [index, [a, b]] of pairs.entries()) {
    assert.equal(signs[compareVersions(a, b)], answers[index * 2], `${a} against ${b}`);
    assert.equal(isValidVersion(a) ? "ok" : "bad", answers[index * 2 + 1], `validity of ${a}`);
  }
});
