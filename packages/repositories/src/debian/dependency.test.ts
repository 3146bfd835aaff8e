// Dependency fields: what is read, what is refused, and that what is written reads the same.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Clause, formatClause, parseDependencies, satisfiesConstraint } from "./dependency.ts";

test("alternatives, versions, qualifiers and architectures are read", () => {
  assert.deepEqual(
    parseDependencies(
      "libc6 (>= 2.36), python3:any, mawk|gawk ( << 1:5~ ) [amd64], x [!arm64], y [arm64 s390x]",
      "amd64",
    ),
    [
      [{ name: "libc6", constraint: { operator: ">=", version: "2.36" } }],
      [{ name: "python3", qualifier: "any" }],
      [{ name: "mawk" }, { name: "gawk", constraint: { operator: "<<", version: "1:5~" } }],
      [{ name: "x" }],
    ] satisfies Clause[],
  );
});

test("the two oldest operators mean what dpkg takes them for", () => {
  assert.deepEqual(
    parseDependencies("a (< 2), b (> 1)", "amd64").map((clause) => clause[0]?.constraint?.operator),
    ["<=", ">="],
  );
});

test("every operator compares as its sign says", () => {
  const older = ["<<", "<="] as const;
  const newer = [">>", ">="] as const;
  for (const operator of older) assert.ok(satisfiesConstraint("1", { operator, version: "2" }), operator);
  for (const operator of newer) assert.ok(!satisfiesConstraint("1", { operator, version: "2" }), operator);
  for (const operator of ["<=", "=", ">="] as const)
    assert.ok(satisfiesConstraint("2", { operator, version: "2-0" }), operator);
  for (const operator of ["<<", ">>"] as const)
    assert.ok(!satisfiesConstraint("2", { operator, version: "2" }), operator);
});

test("what is not a dependency is refused with the text that was met", () => {
  for (const field of [
    "a b",
    "a,,b",
    "(>= 1)",
    "a (1)",
    "a (>= )",
    "a (== 1)",
    "a |",
    "-a",
    "a [",
    "a (>= v)",
    "a <!nocheck>",
  ])
    assert.throws(() => parseDependencies(field, "amd64"), { code: "malformed" }, field);
  assert.throws(() => parseDependencies("a,".repeat(20_000), "amd64"), { code: "limit-exceeded" });
  assert.throws(() => parseDependencies("a|".repeat(2000), "amd64"), { code: "limit-exceeded" });
});

test("a clause that is written reads back the same", () => {
  const relation = fc.record(
    {
      name: fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,10}$/),
      qualifier: fc.constantFrom("any", "native", "amd64"),
      constraint: fc.record(
        {
          operator: fc.constantFrom("<<", "<=", "=", ">=", ">>"),
          version: fc.stringMatching(/^([0-9]:)?[0-9][a-z0-9.+~]{0,5}$/),
        },
        { noNullPrototype: true },
      ),
    },
    { requiredKeys: ["name"], noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(relation, { minLength: 1, maxLength: 4 }), (clause) => {
      assert.deepEqual(parseDependencies(formatClause(clause), "amd64"), [clause]);
    }),
  );
});
