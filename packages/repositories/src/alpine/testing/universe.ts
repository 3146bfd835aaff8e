// Small made-up repositories for tests of the solver: written as index text, so that the parser is under test too.

import { createHash } from "node:crypto";
import fc from "fast-check";

/** A package as a test states it. */
export interface FakePackage {
  readonly name: string;
  readonly version?: string;
  readonly depends?: string;
  readonly provides?: string;
  readonly installIf?: string;
  readonly priority?: number;
  /** Default 4096; a package of size 0 may come from a tagged repository unasked. */
  readonly installedBytes?: number;
}

/** The lines of an index that has these packages. */
export function indexText(packages: readonly FakePackage[]): string {
  return packages.map((fake) => `${recordLines(fake).join("\n")}\n\n`).join("");
}

/** An index whose records have dependencies of every kind. */
export const sampleIndex = indexText([
  {
    name: "a",
    version: "1.2-r3",
    depends: "b>1 !c so:x",
    provides: "v cmd:a=1",
    installIf: "b c",
    priority: 5,
  },
  { name: "b" },
]);

function recordLines(fake: FakePackage): string[] {
  const { name, version = "1-r0", depends, provides, installIf, priority, installedBytes = 4096 } = fake;
  const checksum = createHash("sha1").update(JSON.stringify(fake)).digest("base64");
  const optional = (letter: string, value: string | number | undefined): string[] =>
    value === undefined || value === "" ? [] : [`${letter}:${value}`];
  return [
    `C:Q1${checksum}`,
    `P:${name}`,
    `V:${version}`,
    "A:x86_64",
    "S:1000",
    `I:${installedBytes}`,
    "T:A test",
    "U:",
    "L:MIT",
    ...optional("k", priority),
    ...optional("D", depends),
    ...optional("p", provides),
    ...optional("i", installIf),
  ];
}

const names = ["a", "b", "c", "d", "e"] as const;
const virtuals = ["v", "w", "so:x"] as const;
const versions = ["1", "1.1", "1.2-r1", "2", "2.0.1"] as const;
const anyName = fc.constantFrom(...names, ...virtuals);
const relation = fc
  .tuple(
    anyName,
    fc.constantFrom("", "", "", "", "", "", "", "=", ">", "<", ">=", "<=", "~"),
    fc.constantFrom(...versions),
  )
  .map(([name, operator, version]) => (operator === "" ? name : name + operator + version));
const relationOrConflict = fc
  .tuple(fc.constantFrom("", "", "", "", "", "", "", "!"), relation)
  .map(([sign, text]) => sign + text);

const list = (items: fc.Arbitrary<string>, maxLength: number): fc.Arbitrary<string> =>
  fc.array(items, { maxLength }).map((texts) => texts.join(" "));

const fakePackage: fc.Arbitrary<FakePackage> = fc.record({
  name: fc.constantFrom(...names),
  version: fc.constantFrom(...versions),
  depends: list(relationOrConflict, 2),
  provides: list(
    fc
      .tuple(fc.constantFrom(...virtuals, ...names), fc.option(fc.constantFrom(...versions)))
      .map(([name, version]) => (version === null ? name : `${name}=${version}`)),
    2,
  ),
  installIf: fc.oneof({ weight: 4, arbitrary: fc.constant("") }, list(relation, 2)),
  priority: fc.constantFrom(0, 0, 5, 10),
  installedBytes: fc.constantFrom(4096, 4096, 4096, 0),
});

/** Repositories with a tag or none, and a world to resolve over them. */
export interface FakeProblem {
  readonly repositories: readonly { readonly tag?: string; readonly packages: readonly FakePackage[] }[];
  readonly world: readonly string[];
}

/** Problems of every shape that the solver knows, small enough that contradictions are frequent. */
export const fakeProblem: fc.Arbitrary<FakeProblem> = fc
  .record({
    stable: fc.uniqueArray(fakePackage, { minLength: 3, maxLength: 9, selector: identity }),
    second: fc.uniqueArray(fakePackage, { maxLength: 4, selector: identity }),
    edge: fc.uniqueArray(fakePackage, { maxLength: 4, selector: identity }),
    world: fc.uniqueArray(
      fc
        .tuple(relationOrConflict, fc.constantFrom("", "", "", "@edge"))
        .map(([text, tag]) => text.replace(/^(!?[a-z:]+)/, `$1${tag}`)),
      { minLength: 1, maxLength: 4, selector: (text) => /^!?([a-z:]+)/.exec(text)?.[1] },
    ),
  })
  .map(({ stable, second, edge, world }) => ({
    repositories: [{ packages: stable }, { packages: second }, { tag: "edge", packages: edge }],
    world,
  }));

function identity({ name, version }: FakePackage): string {
  return `${name}-${version ?? ""}`;
}
