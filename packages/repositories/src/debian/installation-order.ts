// Puts chosen packages in an order in which each follows what it depends on, as far as cycles allow.

import type { Choice, Obligation, Selection } from "./selection.ts";

/** Depth first from the world's items, in the order of the dependency fields; a cycle is entered where it is met. */
export function installationOrder(selection: Selection, world: readonly Obligation[]): Choice[] {
  const ordered = new Set<Choice>();
  const entered = new Set<Choice>();
  const choices = selection.choices();
  const needed = ({ chosen }: Choice): Choice[] =>
    chosen.requirements.flatMap(({ clause }) => satisfiers(selection, { clause }));
  const roots = [...world.flatMap((obligation) => satisfiers(selection, obligation)), ...choices.values()];
  // An explicit stack: a chain of dependencies may be longer than the engine's.
  for (const root of roots) {
    const stack: { readonly choice: Choice; readonly rest: Choice[] }[] = [];
    const enter = (choice: Choice): void => {
      if (entered.has(choice)) return;
      entered.add(choice);
      stack.push({ choice, rest: needed(choice).reverse() });
    };
    enter(root);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.rest.pop();
      if (next !== undefined) enter(next);
      else ordered.add(stack.pop()?.choice ?? top.choice);
    }
  }
  return [...ordered];
}

function satisfiers(selection: Selection, { clause }: Pick<Obligation, "clause">): Choice[] {
  for (const relation of clause) {
    const found = selection.satisfier(relation);
    const choice = found === undefined ? undefined : selection.choices().get(found.name);
    if (choice !== undefined) return [choice];
  }
  return [];
}
