// Versions and their compatibility.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import fc from "fast-check";
import { restoreCompatibility } from "./compatibility.ts";
import {
  compareImageVersions,
  formatImageVersion,
  imageVersion,
  type ImageVersion,
  parseImageVersion,
  parseReleaseVersion,
  tryParseImageVersion,
} from "./image-version.ts";

const numbers = fc.nat({ max: 999_999 });
const identifier = fc.stringMatching(/^[a-z][0-9a-z-]{0,8}$/);
const versions: fc.Arbitrary<ImageVersion> = fc.record(
  {
    major: numbers,
    minor: numbers,
    patch: numbers,
    prerelease: fc.oneof(
      fc.constant(""),
      fc.array(identifier, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(".")),
    ),
    date: fc
      .date({ min: new Date("1970-01-01"), max: new Date("2999-12-31"), noInvalidDate: true })
      .map((date) => date.toISOString().slice(0, 10).replaceAll("-", "")),
    gitSha: fc.stringMatching(/^[0-9a-f]{7}$/),
  },
  { noNullPrototype: true },
);

function usage(error: unknown): boolean {
  return KelpieError.is(error) && error.code === "usage";
}

test("a version survives being written and parsed", () => {
  fc.assert(
    fc.property(versions, (version) =>
      assert.deepEqual(parseImageVersion(formatImageVersion(version)), version),
    ),
  );
});

test("the mission's example is a version", () => {
  assert.deepEqual(parseImageVersion("1.0.0-20260115-a3f4d21"), {
    major: 1,
    minor: 0,
    patch: 0,
    prerelease: "",
    date: "20260115",
    gitSha: "a3f4d21",
  });
});

test("a pre-release may hold hyphens and still leave date and commit to the end", () => {
  const version = parseImageVersion("1.2.3-rc-2.x-20260115-a3f4d21");
  assert.equal(version.prerelease, "rc-2.x");
});

for (const text of [
  "",
  "1.0-20260115-a3f4d21",
  "01.0.0-20260115-a3f4d21",
  "1.0.0-20261315-a3f4d21",
  "1.0.0-20260230-a3f4d21",
  "1.0.0-20260115-A3F4D21",
  "1.0.0-20260115-a3f4d2",
  "1.0.0-01-20260115-a3f4d21",
  "../1.0.0-20260115-a3f4d21",
  "1.0.0-20260115-a3f4d21\n",
  `1.0.0-${"a".repeat(200)}-20260115-a3f4d21`,
]) {
  test(`${JSON.stringify(text.slice(0, 40))} is not a version`, () => {
    assert.equal(tryParseImageVersion(text), undefined);
    assert.throws(() => parseImageVersion(text), usage);
  });
}

test("a word alone is a pre-release of 0.0.0, so that VERSION=test yields a version", () => {
  const version = imageVersion(parseReleaseVersion("test"), 1_768_435_200, "a3f4d21c0ffee");
  assert.equal(formatImageVersion(version), "0.0.0-test-20260115-a3f4d21");
});

for (const text of ["1", "1.2", "v1.2.3", "1.2.3-", "1.2.3+build", "1.2.3-01", "te st", "../x", ""]) {
  test(`${JSON.stringify(text)} is no release version`, () => {
    assert.throws(() => parseReleaseVersion(text), usage);
  });
}

test("precedence follows Semantic Versioning", () => {
  const ordered = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.1.0",
    "2.0.0",
  ];
  const parsed = ordered.map((text) => parseImageVersion(`${text}-20260115-a3f4d21`));
  assert.deepEqual(parsed.toReversed().sort(compareImageVersions), parsed);
});

test("the order of versions is total and antisymmetric", () => {
  fc.assert(
    fc.property(versions, versions, (a, b) => {
      assert.equal(Math.sign(compareImageVersions(a, b)), -Math.sign(compareImageVersions(b, a)));
      assert.equal(compareImageVersions(a, b) === 0, formatImageVersion(a) === formatImageVersion(b));
    }),
  );
});

test("restoring is allowed exactly within MAJOR.MINOR, and warns exactly of another PATCH", () => {
  const small = fc.nat({ max: 2 });
  const near = fc
    .tuple(versions, small, small, small)
    .map(([version, major, minor, patch]) => ({ ...version, major, minor, patch }));
  fc.assert(
    fc.property(near, near, (saved, present) => {
      const verdict = restoreCompatibility(saved, present);
      const sameLine = saved.major === present.major && saved.minor === present.minor;
      assert.equal(verdict.kind !== "incompatible", sameLine);
      assert.equal(
        verdict.kind === "compatible" && verdict.warning !== undefined,
        sameLine && saved.patch !== present.patch,
      );
      assert.equal(restoreCompatibility(present, saved).kind, verdict.kind);
    }),
  );
});

test("a version is the same as itself", () => {
  fc.assert(
    fc.property(versions, (version) =>
      assert.deepEqual(restoreCompatibility(version, version), { kind: "same" }),
    ),
  );
});
