// The order in which modules are loaded: each after what it depends on.

import { KelpieError } from "@kelpie/platform";
import type { ModuleCondition } from "./guest-kernel.ts";
import type { WantedModule } from "./wanted-modules.ts";

const maxLines = 512;

/** What a module asks for, by names that {@link orderModules} resolves. */
export interface ModuleNeeds {
  /** Must be loaded before it. */
  readonly depends: readonly string[];
  /** Loaded before and after it, where they exist. */
  readonly softBefore: readonly string[];
  readonly softAfter: readonly string[];
}

/** A kernel's modules, as far as their order goes. Names are canonical: with "_" for "-". */
export interface ModuleGraph {
  /** The modules that a name or alias stands for; none if it is built in or unknown. */
  resolve(name: string): Promise<readonly string[]>;
  isBuiltIn(name: string): Promise<boolean>;
  needs(name: string): Promise<ModuleNeeds>;
}

export interface OrderedModule {
  readonly when: ModuleCondition;
  readonly name: string;
}

export interface ModuleOrder {
  readonly lines: readonly OrderedModule[];
  readonly builtIn: readonly string[];
  readonly absent: readonly string[];
}

/**
 * Lists, for each wanted module in turn, what it needs and then itself. What is loaded in every boot is not listed again under
 * another condition.
 *
 * @throws KelpieError `unresolvable` if a hard dependency does not exist, `malformed` if dependencies go in a circle.
 */
export async function orderModules(
  graph: ModuleGraph,
  wanted: readonly WantedModule[],
): Promise<ModuleOrder> {
  const lines: OrderedModule[] = [];
  const builtIn: string[] = [];
  const absent: string[] = [];
  for (const { name, when } of wanted) {
    const found = await graph.resolve(name);
    if (found.length > 0) for (const each of found) await visit(graph, lines, when, each, []);
    else if (await graph.isBuiltIn(name)) builtIn.push(name);
    else absent.push(name);
  }
  return { lines, builtIn, absent };
}

async function visit(
  graph: ModuleGraph,
  lines: OrderedModule[],
  when: ModuleCondition,
  name: string,
  path: readonly string[],
): Promise<void> {
  if (lines.some((line) => line.name === name && (line.when === when || line.when === "always"))) return;
  if (path.includes(name)) {
    throw new KelpieError("malformed", "Kernel modules depend on each other in a circle", {
      found: [...path, name].join(" → "),
    });
  }
  if (lines.length >= maxLines) {
    throw new KelpieError("limit-exceeded", "Too many kernel modules are needed", {
      expected: `at most ${maxLines} lines`,
    });
  }
  const { depends, softBefore, softAfter } = await graph.needs(name);
  const below = [...path, name];
  const soft = async (names: readonly string[]): Promise<void> => {
    // A wish that leads back to its own wisher is no dependency.
    for (const each of (await Promise.all(names.map((wish) => graph.resolve(wish)))).flat())
      if (!below.includes(each)) await visit(graph, lines, when, each, below);
  };
  await soft(softBefore);
  for (const need of depends) {
    const found = await graph.resolve(need);
    if (found.length === 0 && !(await graph.isBuiltIn(need))) {
      throw new KelpieError("unresolvable", `The kernel module ${name} depends on one that is not there`, {
        expected: need,
        where: below.join(" → "),
      });
    }
    for (const each of found) await visit(graph, lines, when, each, below);
  }
  lines.push({ when, name });
  await soft(softAfter);
}
