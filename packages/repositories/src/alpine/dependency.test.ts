// Dependencies as they are written: what is read, what is refused, and what satisfies them.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Dependency, isContent, parseDependency, parseList, parseProvision } from "./dependency.ts";

const offer = (version?: string) => ({ version, checksum: "Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=" });

test("each operator takes the versions that it says", () => {
  const versions = ["1.1", "1.2", "1.2.3", "1.3"] as const;
  const table: Readonly<Record<string, readonly boolean[]>> = {
    a: [true, true, true, true],
    "a=1.2": [false, true, false, false],
    "a<1.2": [true, false, false, false],
    "a<=1.2": [true, true, false, false],
    "a>1.2": [false, false, true, true],
    "a>=1.2": [false, true, true, true],
    "a~1.2": [false, true, true, false],
    "a~=1.2": [false, true, true, false],
    "a=~1.2": [false, true, true, false],
    "a>~1.2": [false, true, true, true],
    "a<~1.2": [true, true, true, false],
    "!a=1.2": [true, false, true, true],
  };
  for (const [text, expected] of Object.entries(table)) {
    const dependency = parseDependency(text);
    assert.deepEqual(
      versions.map((version) => isContent(dependency, offer(version))),
      expected,
      text,
    );
  }
});

test("nothing there satisfies a conflict only, and a virtual offer satisfies no version", () => {
  const content = (text: string, found?: ReturnType<typeof offer>): boolean =>
    isContent(parseDependency(text), found);
  assert.equal(content("a"), false);
  assert.equal(content("!a"), true);
  assert.equal(content("a", offer()), true);
  assert.equal(content("a>1", offer()), false);
  assert.equal(content("!a>1", offer()), true);
  assert.equal(content("!a", offer()), false);
});

test("a checksum names one package", () => {
  const dependency = parseDependency("a><Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  assert.equal(isContent(dependency, offer("1")), true);
  assert.equal(isContent(dependency, { ...offer("1"), checksum: "Q1BBBBBBBBBBBBBBBBBBBBBBBBBBB=" }), false);
});

test("names keep their prefixes, tags stand before the operator", () => {
  for (const name of [
    "so:libc.musl-x86_64.so.1",
    "cmd:sh",
    "pc:zlib",
    "/bin/sh",
    "py3.11:pip",
    "gtk+3.0",
    "a_b.c",
  ]) {
    assert.equal(parseDependency(name).name, name);
    assert.deepEqual(parseProvision(`${name}=1.2-r3`).version, "1.2-r3");
  }
  const { name, tag, text } = parseDependency("a@edge>1");
  assert.deepEqual([name, tag, text], ["a", "edge", "a@edge>1"]);
});

test("what cannot be a dependency is refused", () => {
  for (const text of [
    "",
    "!",
    "=1",
    "a=",
    "a=1=2",
    "a b",
    "a@",
    "a=1_x",
    "a><1",
    "!!a",
    "a\n",
    "a@b@c",
    "a".repeat(256),
  ]) {
    assert.throws(() => parseDependency(text), { code: "malformed" }, JSON.stringify(text));
  }
  for (const text of ["!a", "a@edge", "a><Q1A="])
    assert.throws(() => parseProvision(text), { code: "malformed" });
  assert.throws(() => parseList("a ".repeat(20_001), parseDependency), { code: "limit-exceeded" });
});

test("any text is read or refused, and what is read says the same again", () => {
  const text = fc.string({ unit: fc.constantFrom(...Array.from("ab1.2-r!@=<>~ _:/é")), maxLength: 12 });
  fc.assert(
    fc.property(text, (written) => {
      let dependency: Dependency;
      try {
        dependency = parseDependency(written);
      } catch (error) {
        assert.equal(error instanceof Error && "code" in error && error.code, "malformed");
        return;
      }
      assert.deepEqual(parseDependency(dependency.text), dependency);
      assert.notEqual(
        isContent(dependency, offer("1")),
        isContent({ ...dependency, conflict: !dependency.conflict }, offer("1")),
      );
    }),
    { numRuns: 2000 },
  );
});
