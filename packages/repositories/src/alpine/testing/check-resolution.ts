// Checks a resolution from the outside: with nothing of the solver, only what the records say.

import assert from "node:assert/strict";
import { type Dependency, isContent, parseDependency } from "../dependency.ts";
import type { ResolvedRecord } from "../resolve.ts";

/**
 * Fails unless every line of the world, every dependency and every conflict holds, no name that only one may hold is held
 * twice, and everything is there for a reason.
 */
export function checkResolution(resolved: readonly ResolvedRecord[], world: readonly string[]): void {
  const installed = resolved.map(({ record }) => record);
  assert.equal(new Set(installed.map(({ name }) => name)).size, installed.length, "a package is there twice");
  const holds = (dependency: Dependency): boolean => {
    const offers = installed.flatMap(({ name, version, checksum, provides }) => [
      ...(name === dependency.name ? [{ version, checksum }] : []),
      ...provides
        .filter((provision) => provision.name === dependency.name)
        .map((provision) => ({ version: provision.version, checksum })),
    ]);
    return dependency.conflict
      ? offers.every((offer) => isContent(dependency, offer))
      : offers.some((offer) => isContent(dependency, offer));
  };
  for (const text of world) assert.ok(holds(parseDependency(text)), `the world's ${text} does not hold`);
  for (const { name, depends } of installed) {
    for (const dependency of depends)
      assert.ok(holds(dependency), `${dependency.text} of ${name} does not hold`);
  }
  const holders = new Map<string, Set<string>>();
  for (const { name, provides } of installed) {
    for (const held of [
      name,
      ...provides.filter(({ version }) => version !== undefined).map((it) => it.name),
    ]) {
      const names = holders.get(held) ?? new Set();
      holders.set(held, names.add(name));
    }
  }
  for (const [held, names] of holders)
    assert.equal(names.size, 1, `${held} is held by ${[...names].join(", ")}`);
  for (const { reason, record } of resolved)
    assert.match(reason, /^(world|depends|install-if): /, record.name);
}
