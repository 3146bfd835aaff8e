// The order of images by age, as references and pruning use it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseImageVersion } from "../version/image-version.ts";
import { compareAge, type Dated } from "./newest.ts";
import { chooseImage } from "./reference.ts";

function dated(version: string, buildDate?: string): Dated {
  return { version: parseImageVersion(version), ...(buildDate === undefined ? {} : { buildDate }) };
}

const [earlier, later] = [
  dated("1.0.0-20260115-f3f4d21", "2026-01-15T08:00:00Z"),
  dated("1.0.0-20260115-a3f4d21", "2026-01-15T17:30:00Z"),
];

test("of two commits of one day the later is the newer, whatever their hashes", () => {
  assert.ok(compareAge(earlier, later) < 0);
  assert.ok(compareAge(later, earlier) > 0);
});

test("release and day count before the time of the commit", () => {
  for (const newer of ["1.0.1-20260115-a3f4d21", "1.0.0-20260116-a3f4d21"])
    assert.ok(compareAge(later, dated(newer, "2026-01-15T00:00:00Z")) < 0, newer);
});

test("where the time of a commit is not known, as in a registry, the hash decides, so that the order is the same anywhere", () => {
  const [a, b] = [dated("1.0.0-20260115-a3f4d21"), dated("1.0.0-20260115-b3f4d21")];
  assert.ok(compareAge(a, b) < 0);
  assert.equal(compareAge(a, a), 0);
});

test("`latest`, a name and MAJOR.MINOR are the later commit of a day", () => {
  const images = [later, earlier].map((image) => ({ ...image, name: "base", tags: [], references: [] }));
  for (const reference of ["latest", "base", "1.0"])
    assert.equal(chooseImage(images, reference)?.version, later.version, reference);
});
