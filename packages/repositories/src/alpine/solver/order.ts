// The chosen packages in apk's order of installation: what a package depends on comes before it, as far as circles allow,
// and what it triggers right after it.

import { isContent } from "../dependency.ts";
import type { States } from "./state.ts";
import type { Candidate, Name, NamedDependency } from "./universe.ts";

/** Why a package is there. */
export type Reason =
  | { readonly kind: "world"; readonly on: NamedDependency }
  | { readonly kind: "dependency"; readonly by: Candidate; readonly on: NamedDependency }
  | { readonly kind: "install-if" };

export interface OrderedChoice {
  readonly candidate: Candidate;
  readonly reason: Reason;
}

/** Walks from the world through what was chosen. */
export function orderChoices(states: States, world: readonly NamedDependency[]): OrderedChoice[] {
  const choices: OrderedChoice[] = [];
  const visit = (name: Name, reason: Reason): void => {
    const state = states.ofName(name);
    if (state.inOrder) return;
    state.inOrder = true;
    const candidate = state.chosen?.candidate;
    if (candidate === undefined || states.of(candidate).inOrder) return;
    states.of(candidate).inOrder = true;
    for (const { name: other } of candidate.offers) states.ofName(other).inOrder = true;
    for (const on of candidate.depends) visit(on.name, { kind: "dependency", by: candidate, on });
    choices.push({ candidate, reason });
    for (const offer of candidate.offers) offer.name.triggered.forEach(visitTriggered);
  };
  const visitTriggered = (name: Name): void => {
    const state = states.ofName(name);
    const candidate = state.chosen?.candidate;
    if (candidate === undefined || !state.seen || state.inOrder) return;
    const isDue = candidate.installIf.every(
      ({ name: condition, dependency }) =>
        states.ofName(condition).inOrder && isContent(dependency, states.ofName(condition).chosen),
    );
    if (isDue) visit(name, { kind: "install-if" });
  };
  for (const on of world) visit(on.name, { kind: "world", on });
  return choices;
}
