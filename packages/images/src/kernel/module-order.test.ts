import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { KelpieError } from "@kelpie/platform";
import { type ModuleGraph, type ModuleNeeds, orderModules } from "./module-order.ts";
import type { WantedModule } from "./wanted-modules.ts";

type Needs = Partial<ModuleNeeds>;

function graphOf(modules: Readonly<Record<string, Needs>>, builtIn: readonly string[] = []): ModuleGraph {
  return {
    resolve: (name) => Promise.resolve(name in modules ? [name] : []),
    isBuiltIn: (name) => Promise.resolve(builtIn.includes(name)),
    needs: (name) => Promise.resolve({ depends: [], softBefore: [], softAfter: [], ...modules[name] }),
  };
}

const always = (...names: string[]): WantedModule[] => names.map((name) => ({ name, when: "always" }));

test("a module follows what it depends on, hard and soft, and is followed by what it wishes behind it", async () => {
  const graph = graphOf({
    ext4: { depends: ["jbd2", "mbcache"], softBefore: ["crc32c"], softAfter: ["late"] },
    jbd2: { depends: ["base"] },
    mbcache: {},
    base: {},
    crc32c: {},
    late: {},
  });
  const { lines } = await orderModules(graph, always("ext4"));
  assert.deepEqual(
    lines.map(({ name }) => name),
    ["crc32c", "base", "jbd2", "mbcache", "ext4", "late"],
  );
});

test("a dependency stands under every condition that needs it, but not again where it is always loaded", async () => {
  const graph = graphOf({
    bus: {},
    helper: {},
    disk: { depends: ["bus", "helper"] },
    net: { depends: ["bus", "helper"] },
  });
  const { lines } = await orderModules(graph, [
    ...always("bus"),
    { name: "disk", when: "virtio:0002" },
    { name: "net", when: "virtio:0001" },
  ]);
  assert.deepEqual(
    lines.map(({ when, name }) => `${when} ${name}`),
    ["always bus", "virtio:0002 helper", "virtio:0002 disk", "virtio:0001 helper", "virtio:0001 net"],
  );
});

test("what is built in needs no line, and what is nowhere is said", async () => {
  const graph = graphOf({ disk: { depends: ["bus"] } }, ["bus", "ext4"]);
  const order = await orderModules(graph, always("ext4", "disk", "9p"));
  assert.deepEqual(order, {
    lines: [{ when: "always", name: "disk" }],
    builtIn: ["ext4"],
    absent: ["9p"],
  });
});

test("a wish for a module that is nowhere, or for the wisher itself, is passed over", async () => {
  const graph = graphOf({ a: { softBefore: ["nowhere", "b"] }, b: { softBefore: ["a"] } });
  const { lines } = await orderModules(graph, always("a"));
  assert.deepEqual(
    lines.map(({ name }) => name),
    ["b", "a"],
  );
});

for (const [what, modules, code, named] of [
  [
    "a dependency that is nowhere",
    { a: { depends: ["b"] }, b: { depends: ["gone"] } },
    "unresolvable",
    "a → b",
  ],
  ["a circle", { a: { depends: ["b"] }, b: { depends: ["a"] } }, "malformed", "a → b → a"],
] as const) {
  test(`${what} is refused, with the way that leads to it`, async () => {
    await assert.rejects(
      orderModules(graphOf(modules), always("a")),
      (error) => KelpieError.is(error) && error.code === code && error.message.includes(named),
    );
  });
}

test("whatever the graph without circles, each module stands once and after all that it depends on", async () => {
  // An edge leads from a greater number to a smaller one: no circles.
  const edges = fc.array(fc.tuple(fc.nat(15), fc.nat(15)), { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(edges, fc.array(fc.nat(15)), async (pairs, wishes) => {
      const modules: Record<string, { depends: string[] }> = {};
      for (let each = 0; each <= 15; each++) modules[`m${each}`] = { depends: [] };
      for (const [a, b] of pairs)
        if (a !== b) modules[`m${Math.max(a, b)}`]?.depends.push(`m${Math.min(a, b)}`);
      const { lines } = await orderModules(graphOf(modules), always(...wishes.map((wish) => `m${wish}`)));
      const names = lines.map(({ name }) => name);
      assert.equal(new Set(names).size, names.length);
      for (const wish of wishes) assert.ok(names.includes(`m${wish}`));
      for (const [index, name] of names.entries())
        for (const need of modules[name]?.depends ?? []) assert.ok(names.slice(0, index).includes(need));
    }),
  );
});
