import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import parseSpdx from "spdx-expression-parse";
import { debianLicense } from "./debian-copyright.ts";
import { allOf, type License, parseLicense } from "./license.ts";

/** What spdx-expression-parse makes of it: it throws for what is no valid expression. */
const judge = (license: License | undefined): unknown => parseSpdx(license?.expression ?? "");

for (const [stated, expected] of [
  ["MIT", "MIT"],
  ["mit and gpl-2.0-or-later", "MIT AND GPL-2.0-or-later"],
  ["(MIT OR Apache-2.0) AND ISC", "(MIT OR Apache-2.0) AND ISC"],
  ["GPL-2.0-only WITH Linux-syscall-note", "GPL-2.0-only WITH Linux-syscall-note"],
  ["GPL-3.0+", "GPL-3.0+"],
] as const) {
  test(`the licence ${stated} is SPDX's ${expected}`, () => {
    const found = parseLicense(stated);
    assert.equal(found?.expression, expected);
    assert.deepEqual(found.references, []);
    judge(found);
  });
}

for (const stated of [
  "custom",
  "GPL-2.0 with exceptions and advertising",
  "MIT BSD",
  "MIT AND",
  "(MIT",
  "WITH x",
]) {
  test(`what is no expression of SPDX's, ${JSON.stringify(stated)}, becomes one reference that keeps the words`, () => {
    const found = parseLicense(stated);
    assert.match(found?.expression ?? "", /^LicenseRef-[A-Za-z0-9.-]+$/);
    assert.deepEqual(
      found?.references.map(({ name, text }) => [name, text]),
      [[stated, stated]],
    );
    judge(found);
  });
}

test("an unknown name beside a known one is a reference by itself", () => {
  const found = parseLicense("MIT AND custom");
  assert.match(found?.expression ?? "", /^MIT AND LicenseRef-custom-[0-9a-f]{8}$/);
});

test("no licence is stated by no words", () => {
  assert.equal(parseLicense(" \n"), undefined);
  assert.equal(allOf([]), undefined);
});

test("whatever is stated, the expression is a valid one, and every reference in it is explained", () => {
  const word = fc.constantFrom(
    "MIT",
    "isc",
    "AND",
    "OR",
    "WITH",
    "(",
    ")",
    "custom",
    "Bison-exception-2.2",
    "ü/x",
    "GPL-2.0+",
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(word, { maxLength: 12 }).map((words) => words.join(" ")),
  );
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), (stated) => {
      const found = allOf(stated.flatMap((each) => parseLicense(each) ?? []));
      if (found === undefined) return;
      judge(found);
      const named = [...found.expression.matchAll(/LicenseRef-[A-Za-z0-9.-]+/g)].map(([id]) => id);
      assert.deepEqual(new Set(named), new Set(found.references.map(({ id }) => id)));
    }),
  );
});

const copyright = `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: thing
License: not that of files

Files: *
Copyright: somebody
License: GPL-2+ or Artistic, and Expat

Files: a/*
Copyright: somebody
License: GPL-3+ with Bison exception

Files: b/*
Copyright: somebody
License: odd

License: odd
 You may.
 .
 Or not.
`;

test("Debian's machine-readable copyright becomes the licences of all files together", () => {
  const found = debianLicense(copyright);
  const [odd, ...others] = found?.references ?? [];
  assert.equal(
    found?.expression,
    `((GPL-2.0-or-later OR Artistic-1.0) AND MIT) AND GPL-3.0-or-later WITH Bison-exception-2.2 AND ${odd?.id ?? ""}`,
  );
  assert.deepEqual([odd?.name, odd?.text, others], ["odd", "You may.\n\nOr not.", []]);
  judge(found);
});

test("of a copyright in prose no licence is guessed", () => {
  assert.equal(
    debianLicense("This package is under the GPL, see /usr/share/common-licenses/GPL-2.\n"),
    undefined,
  );
  assert.equal(debianLicense(""), undefined);
});
