// Version order: against dpkg itself, and by the laws that every order keeps.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { compareDebianVersions, parseDebianVersion } from "./version.ts";

const hasDpkg = spawnSync("dpkg", ["--version"]).status === 0;

const part = fc.stringMatching(/^[A-Za-z0-9.+~]{1,6}$/);
const version = fc
  .tuple(
    fc.option(fc.nat(3), { nil: undefined }),
    fc.stringMatching(/^[0-9][a-c0-2.+~-]{0,6}$/),
    fc.option(part, { nil: undefined }),
  )
  .map(
    ([epoch, upstream, revision]) =>
      `${epoch === undefined ? "" : `${epoch}:`}${upstream.replace(/-+$/, "")}${revision === undefined ? "" : `-${revision}`}`,
  );

const table: readonly (readonly [string, -1 | 0 | 1, string])[] = [
  ["1.0", 0, "1.0-0"],
  ["1.0", 0, "0:1.0"],
  ["1.0~rc1", -1, "1.0"],
  ["1.0~rc1-1", -1, "1.0~rc1-1+b1"],
  ["1.0~~", -1, "1.0~"],
  ["1.0", -1, "1.0a"],
  ["1.0a", -1, "1.0+"],
  ["1.9", -1, "1.10"],
  ["1.09", 0, "1.9"],
  ["9:1", -1, "10:0"],
  ["1.0-1~deb12u1", -1, "1.0-1"],
  ["1.0-1", -1, "1.0-1+deb12u1"],
  ["2.36-9+deb12u10", 1, "2.36-9+deb12u9"],
  ["0.99999999999999999999", -1, "0.100000000000000000000"],
  ["22.01+really26.02+dfsg-0+deb12u1", 1, "22.01+dfsg-8"],
];

test("versions are ordered as deb-version(7) describes", () => {
  for (const [a, expected, b] of table) {
    assert.equal(Math.sign(compareDebianVersions(a, b)), expected, `${a} against ${b}`);
    assert.equal(Math.sign(compareDebianVersions(b, a)), -expected + 0, `${b} against ${a}`);
  }
});

test("any two versions are ordered as dpkg --compare-versions orders them", {
  skip: hasDpkg ? false : "dpkg is not installed",
}, () => {
  const pairs = fc.sample(fc.tuple(version, version), { numRuns: 400, seed: 20261123 });
  // One shell for all pairs: dpkg itself is quick, four hundred starts of it from here are not.
  const script =
    'while read -r a b; do if dpkg --compare-versions "$a" lt "$b"; then echo -1; elif dpkg --compare-versions "$a" eq "$b"; then echo 0; else echo 1; fi; done';
  const answers = execFileSync("sh", ["-c", script], {
    input: pairs.map(([a, b]) => `${a} ${b}\n`).join(""),
    encoding: "utf8",
  });
  const verdicts = answers.trim().split("\n").map(Number);
  assert.equal(verdicts.length, pairs.length);
  for (const [index, [a, b]] of pairs.entries())
    assert.equal(Math.sign(compareDebianVersions(a, b)), verdicts[index], `${a} against ${b}`);
});

test("the order is total: antisymmetric and transitive", () => {
  fc.assert(
    fc.property(version, version, version, (a, b, c) => {
      assert.equal(Math.sign(compareDebianVersions(a, b)), -Math.sign(compareDebianVersions(b, a)) + 0);
      const [first, second, third] = [a, b, c].sort(compareDebianVersions);
      assert.ok(compareDebianVersions(first ?? "", second ?? "") <= 0);
      assert.ok(compareDebianVersions(first ?? "", third ?? "") <= 0);
    }),
    { numRuns: 2000 },
  );
});

test("a tilde makes a version older than the version without it, whatever follows", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[0-9][a-z0-9.]{0,5}$/), part, (upstream, suffix) => {
      assert.ok(compareDebianVersions(`${upstream}~${suffix}`, upstream) < 0);
    }),
  );
});

test("what is not a version is refused", () => {
  for (const text of [
    "",
    ":",
    "a:1",
    "-1:1",
    "1:",
    "1.0-",
    "v1",
    "1 0",
    "1_0",
    "3000000000:1",
    "1.0-1-",
    "ä",
  ])
    assert.throws(() => parseDebianVersion(text), { code: "malformed" }, text);
  assert.throws(() => parseDebianVersion("1".repeat(2000)), { code: "limit-exceeded" });
});
