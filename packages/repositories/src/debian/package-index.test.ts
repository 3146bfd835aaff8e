// Package indexes: lookups without parsing everything, and what is refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseDeb822 } from "./deb822.ts";
import { PackageIndex } from "./package-index.ts";
import { scanStanzas } from "./stanza-scan.ts";
import { indexPart, indexText, makeIndex, type PackageLine } from "./testing/index-text.ts";

function indexOf(text: string): PackageIndex {
  const bytes = new TextEncoder().encode(text);
  return new PackageIndex([{ bytes, repositoryUrl: "http://mirror.test/debian/", label: "x" }], "amd64");
}

test("the versions of a package come newest first, from all indexes, each once", () => {
  const index = makeIndex([["a 1"], ["b 1"], ["a 1:0.5"]], [["a 2"], ["a 1", "Size: 7"]]);
  assert.deepEqual(
    index.versions("a").map(({ version, sizeBytes }) => [version, sizeBytes]),
    [
      ["1:0.5", 1],
      ["2", 1],
      ["1", 1],
    ],
  );
  assert.deepEqual(index.versions("absent"), []);
  assert.equal(index.size, 5);
});

test("packages of other architectures are passed over", () => {
  const index = makeIndex([
    ["a 2", "Architecture: arm64"],
    ["a 1", "Architecture: all"],
  ]);
  assert.deepEqual(
    index.versions("a").map(({ version }) => version),
    ["1"],
  );
});

test("providers come by priority and name, and only if their newest version still provides", () => {
  const index = makeIndex(
    [
      ["z 1", "Provides: awk, other (= 3)", "Priority: important"],
      ["b 1", "Provides: awk"],
      ["a 1", "Provides: awk"],
      ["old 1", "Provides: awk"],
      ["folded 1", "Provides: x,\n awk (= 2),\n y"],
    ],
    [["old 2"]],
  );
  assert.deepEqual(
    index.providers("awk").map(({ name }) => name),
    ["z", "a", "b", "folded"],
  );
  assert.deepEqual(index.providers("other")[0]?.provides, [
    { name: "awk", version: undefined },
    { name: "other", version: "3" },
  ]);
  assert.deepEqual(index.providers("nothing"), []);
});

test("all that a lock needs is read from a stanza", () => {
  const [found] = makeIndex([
    [
      "a 1",
      "Source: src (2)",
      "Multi-Arch: same",
      "Pre-Depends: x",
      "Depends: y | z",
      "Breaks: w",
      "SHA256: ".padEnd(72, "A"),
    ],
  ]).versions("a");
  assert.deepEqual(found, {
    name: "a",
    version: "1",
    architecture: "amd64",
    multiArch: "same",
    priority: "optional",
    source: "src",
    requirements: [
      { kind: "pre-depends", clause: [{ name: "x" }] },
      { kind: "depends", clause: [{ name: "y" }, { name: "z" }] },
    ],
    exclusions: [{ kind: "breaks", relation: { name: "w" } }],
    provides: [],
    location: "http://mirror.test/debian/pool/a_1_amd64.deb",
    sizeBytes: 1,
    sha256: "a".repeat(64),
  });
});

test("the Package field may stand anywhere in its stanza, and stanzas may be far apart", () => {
  const [a, b] = [indexText([["a"]]), indexText([["b"]])].map((text) =>
    text.replace(/^(Package: .)\n(.*\n)/, "$2$1\n"),
  );
  const index = indexOf(`\n\n${a}\n\n\n\n${b}`);
  assert.deepEqual([...index.names()], ["a", "b"]);
  assert.equal(index.versions("b")[0]?.version, "1");
});

test("a stanza that is wrong is refused, when it is asked for", () => {
  const cases: readonly (readonly [field: string, code: string])[] = [
    ["Filename: ../../etc/passwd", "unsafe-path"],
    ["Filename: pool/a b.deb", "malformed"],
    ['Filename: pool/a"b.deb', "malformed"],
    ["Filename: -o/x.deb", "malformed"],
    ["Size: -1", "malformed"],
    ["Size: 99999999999999", "limit-exceeded"],
    ["SHA256: 12", "malformed"],
    ["Depends: a (=", "malformed"],
    ["Multi-Arch: maybe", "malformed"],
    ["no field", "malformed"],
  ];
  for (const [field, code] of cases) {
    const index = makeIndex([["good 1"], ["a 1", field]]);
    assert.equal(index.versions("good").length, 1);
    assert.throws(() => index.versions("a"), { code }, field);
  }
  assert.throws(() => indexOf("Version: 1\n\nPackage: b\n"), { code: "malformed" });
  assert.throws(() => indexOf(`Package: ${"a".repeat(2 << 20)}\n`), { code: "limit-exceeded" });
});

test("the scan finds the stanzas that the parser finds, whatever the fields", () => {
  const name = fc.stringMatching(/^[a-z]{2,5}$/);
  const field = fc.constantFrom("Depends: x", "Provides: y", "Description: z\n more\n Package: no", "X: 1");
  const lines = fc.array(fc.tuple(name, fc.uniqueArray(field)), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(lines, fc.boolean(), (packages, endsEarly) => {
      const text = indexText(packages.map(([one, fields]): PackageLine => [one, ...fields]));
      const bytes = Buffer.from(endsEarly ? text.trimEnd() : text);
      const { names, starts, ends } = scanStanzas(bytes, "x");
      const expected = parseDeb822(bytes.toString());
      assert.deepEqual(
        names,
        expected.map((stanza) => stanza.get("Package")),
      );
      for (const [number, stanza] of expected.entries()) {
        const [again] = parseDeb822(bytes.toString("utf8", starts[number], ends[number]));
        assert.deepEqual(again?.fields, stanza.fields);
      }
    }),
  );
});

test("sixty thousand packages are ready for lookups without parsing them all", () => {
  const packages = Array.from(
    { length: 60_000 },
    (_, number): PackageLine => [
      `package-${number} 1`,
      "Depends: a, b (>= 1) | c, d",
      `Provides: virtual-${number % 100}`,
      `Description: ${"text ".repeat(80)}`,
    ],
  );
  const part = indexPart(packages);
  const start = performance.now();
  const index = new PackageIndex([part], "amd64");
  assert.equal(index.providers("virtual-7").length, 600);
  assert.equal(index.versions("package-59999").length, 1);
  const elapsedMs = performance.now() - start;
  assert.ok(elapsedMs < 4000, `${elapsedMs} ms`);
});
