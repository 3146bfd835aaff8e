// Resolution: what is chosen, in which order, and why not; against a checker and a search that know nothing of ours.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { resolveWorld } from "./resolver.ts";
import { makeIndex, type PackageLine } from "./testing/index-text.ts";

function resolve(packages: readonly PackageLine[], world: string, assume: readonly string[] = []): string {
  const resolution = resolveWorld(makeIndex(packages), world.split(", "), { assume });
  return resolution.packages
    .map(({ name, version }) => (version === "1" ? name : `${name}=${version}`))
    .join(" ");
}

test("dependencies come before what needs them, and cycles do not matter", () => {
  assert.equal(
    resolve([["a", "Depends: b, c"], ["b", "Depends: c"], ["c", "Pre-Depends: d"], ["d"], ["e"]], "a"),
    "d c b a",
  );
  assert.equal(
    resolve(
      [
        ["a", "Depends: b"],
        ["b", "Depends: c"],
        ["c", "Depends: a"],
      ],
      "a",
    ),
    "c b a",
  );
});

test("Recommends, Suggests and Essential are not followed", () => {
  assert.equal(resolve([["a", "Recommends: b", "Suggests: b"], ["b"], ["c", "Essential: yes"]], "a"), "a");
});

test("the newest version that fits is chosen", () => {
  const packages: PackageLine[] = [["a 1"], ["a 3"], ["a 2"], ["b", "Depends: a (<< 3)"]];
  assert.equal(resolve(packages, "a"), "a=3");
  assert.equal(resolve(packages, "a (<= 2)"), "a=2");
  assert.equal(resolve(packages, "a=1"), "a");
  assert.equal(resolve(packages, "b"), "a=2 b");
  assert.equal(resolve(packages, "b, a=2"), "a=2 b");
});

test("the first alternative is taken unless another comes anyway", () => {
  const packages: PackageLine[] = [["a", "Depends: x | y"], ["b", "Depends: y"], ["x"], ["y"]];
  assert.equal(resolve(packages, "a"), "x a");
  assert.equal(resolve(packages, "a, b"), "y a b");
  assert.equal(resolve(packages, "a, y"), "y a");
});

test("a choice that turns out wrong is taken back", () => {
  const packages: PackageLine[] = [
    ["a", "Depends: x | y"],
    ["b", "Depends: z | w"],
    ["x", "Depends: late"],
    ["late", "Conflicts: z, w"],
    ["y"],
    ["z"],
    ["w"],
  ];
  assert.equal(resolve(packages, "a, b"), "y a z b");
});

test("virtual packages are provided, with a version only where the provider states one", () => {
  const packages: PackageLine[] = [
    ["a", "Depends: awk"],
    ["b", "Depends: awk (>= 2)"],
    ["mawk", "Provides: awk"],
    ["gawk", "Provides: awk (= 2)"],
  ];
  assert.equal(resolve(packages, "a"), "gawk a");
  assert.equal(resolve(packages, "a, mawk"), "mawk a");
  assert.equal(resolve(packages, "b"), "gawk b");
  assert.equal(resolve(packages, "mawk, b"), "mawk gawk b");
});

test("the real package comes before those that provide its name", () => {
  assert.equal(resolve([["a", "Depends: x"], ["aa", "Provides: x"], ["x"]], "a"), "x a");
});

test("packages that conflict with a name they provide exclude the other providers, not themselves", () => {
  const packages: PackageLine[] = [
    ["exim", "Provides: mta", "Conflicts: mta"],
    ["postfix", "Provides: mta", "Conflicts: mta"],
    ["a", "Depends: mta"],
  ];
  assert.equal(resolve(packages, "a"), "exim a");
  assert.equal(resolve(packages, "postfix, a"), "postfix a");
  assert.throws(() => resolve(packages, "exim, postfix"), { code: "unresolvable" });
});

test("Breaks of an older version forbids that version and no other", () => {
  const packages: PackageLine[] = [["a", "Breaks: b (<< 2)"], ["b 2"], ["b 1"]];
  assert.equal(resolve(packages, "a, b"), "a b=2");
  assert.throws(() => resolve(packages, "a, b=1"), /a 1 breaks b \(<< 2\), and b 1 is needed too/);
});

test("a dependency on any architecture needs a package that allows it", () => {
  assert.equal(
    resolve(
      [
        ["a", "Depends: b:any"],
        ["b", "Multi-Arch: allowed"],
      ],
      "a",
    ),
    "b a",
  );
  assert.throws(
    () =>
      resolve(
        [
          ["a", "Depends: b:any"],
          ["b", "Multi-Arch: foreign"],
        ],
        "a",
      ),
    { code: "unresolvable" },
  );
  assert.throws(() => resolve([["a", "Depends: b:arm64"], ["b"]], "a"), { code: "unresolvable" });
});

test("assumed packages are left out with all that they provide and need", () => {
  const packages: PackageLine[] = [
    ["a", "Depends: debconf (>= 2) | debconf-2.0, b"],
    ["b", "Depends: debconf-2.0"],
    ["debconf", "Provides: debconf-2.0", "Depends: perl-base"],
    ["perl-base"],
  ];
  assert.equal(resolve(packages, "a"), "perl-base debconf b a");
  assert.equal(resolve(packages, "a", ["debconf"]), "b a");
  assert.equal(resolve(packages, "a", ["perl-base"]), "debconf b a");
});

test("what cannot be satisfied is explained from the request to the cause", () => {
  const packages: PackageLine[] = [
    ["a", "Depends: b"],
    ["b", "Pre-Depends: c (>= 2)"],
    ["c 1.5"],
    ["d", "Provides: c"],
  ];
  assert.throws(() => resolve(packages, "a"), {
    code: "unresolvable",
    message:
      "No set of packages satisfies the request: nothing is c (>= 2) (the indexes have c 1.5, d 1, which provides c): " +
      "found a is asked for, a 1 depends on b, b 1 pre-depends on c (>= 2)",
  });
  assert.throws(
    () => resolve(packages, "nowhere"),
    /nothing is nowhere \(the indexes have no package of that name\)/,
  );
  assert.throws(
    () => resolve([["a", "Depends: b (= 1), b (= 2)"], ["b 1"], ["b 2"]], "a"),
    /b is needed in two versions/,
  );
});

test("every package says why it is there", () => {
  const { reasons } = resolveWorld(makeIndex([["a", "Depends: b | x"], ["b"], ["x"]]), ["a (>= 1)"]);
  assert.deepEqual(
    [...reasons],
    [
      ["b", "depends: b | x of a"],
      ["a", "asked for: a (>= 1)"],
    ],
  );
});

test("an item that is not a package is refused", () => {
  for (const item of ["", "a b", "a, b", "a=", "a (1)"])
    assert.throws(() => resolveWorld(makeIndex([["a"]]), [item]), { code: "invalid-input" }, item);
});

test("a long chain of dependencies does not exhaust the stack", () => {
  const chain = Array.from({ length: 5000 }, (_, at): PackageLine => [`p${at}`, `Depends: p${at + 1}`]);
  assert.equal(resolve([...chain, ["p5000"]], "p0").split(" ").length, 5001);
});

interface Toy {
  readonly depends: readonly (readonly number[])[];
  readonly conflicts: readonly number[];
}

const toys = fc.array(
  fc.record({
    depends: fc.array(fc.array(fc.nat(7), { minLength: 1, maxLength: 3 }), { maxLength: 3 }),
    conflicts: fc.array(fc.nat(7), { maxLength: 2 }),
  }),
  { minLength: 8, maxLength: 8 },
);

function holds(universe: readonly Toy[], chosen: ReadonlySet<number>): boolean {
  return [...chosen].every((number) => {
    const toy = universe[number];
    return (
      toy?.depends.every((clause) => clause.some((one) => chosen.has(one))) === true &&
      toy.conflicts.every((one) => one === number || !chosen.has(one))
    );
  });
}

test("a world is resolved if and only if some set of packages satisfies it, and then by such a set", () => {
  fc.assert(
    fc.property(toys, fc.uniqueArray(fc.nat(7), { minLength: 1, maxLength: 3 }), (universe, world) => {
      const packages = universe.map(({ depends, conflicts }, number): PackageLine => {
        const clauses = depends.map((clause) => clause.map((one) => `p${one}`).join(" | "));
        return [
          `p${number}`,
          ...(clauses.length > 0 ? [`Depends: ${clauses.join(", ")}`] : []),
          ...(conflicts.length > 0 ? [`Conflicts: ${conflicts.map((one) => `p${one}`).join(", ")}`] : []),
        ];
      });
      const sets = Array.from(
        { length: 256 },
        (_, bits) => new Set([0, 1, 2, 3, 4, 5, 6, 7].filter((at) => bits & (1 << at))),
      );
      const isPossible = sets.some((set) => world.every((one) => set.has(one)) && holds(universe, set));
      const request = world.map((one) => `p${one}`);
      if (!isPossible) {
        assert.throws(() => resolveWorld(makeIndex(packages), request), { code: "unresolvable" });
        return;
      }
      const resolution = resolveWorld(makeIndex(packages), request);
      const chosen = new Set(resolution.packages.map(({ name }) => Number(name.slice(1))));
      assert.ok(world.every((one) => chosen.has(one)));
      assert.ok(holds(universe, chosen));
      assert.deepEqual(resolveWorld(makeIndex(packages), request), resolution);
    }),
    { numRuns: 500 },
  );
});
