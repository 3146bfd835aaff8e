// The solver: what to install so that a world holds, as apk-tools 2.14 decides it for an empty root. It goes forward only
// (deduce all that follows, choose one package, repeat), so its time is bounded and its answer is always the same.

import { bytewise } from "@kelpie/formats";
import { isContent } from "../dependency.ts";
import { chooseOffer, nextName } from "./choose.ts";
import { type OrderedChoice, orderChoices } from "./order.ts";
import { Propagation, type Tags } from "./propagate.ts";
import { States } from "./state.ts";
import type { Candidate, Name, NamedDependency, NamedOffer, Universe } from "./universe.ts";

/** A line of the world, with the bits of the repository tags that it allows. */
export interface Wish extends NamedDependency {
  readonly tags: number;
}

export type Solution =
  | { readonly kind: "solved"; readonly choices: readonly OrderedChoice[] }
  /** What was chosen does not hold together; the states say why. */
  | { readonly kind: "unresolvable"; readonly choices: readonly OrderedChoice[]; readonly states: States };

/** Solves `wishes` over `universe`. */
export function solve(universe: Universe, tags: Tags, wishes: readonly Wish[]): Solution {
  const sorted = [...wishes].sort((a, b) => bytewise(a.name.text, b.name.text));
  const states = new States(universe);
  const work = new Propagation(states, tags);
  for (const { name } of sorted) work.discover(name);
  for (const wish of sorted) work.constrain(undefined, wish, wish.tags);
  for (;;) {
    work.settle();
    const name = nextName(states, work.open);
    if (name === undefined) break;
    decide(work, name);
  }
  const choices = orderChoices(states, sorted);
  const isSound = work.errorCount === 0 && holds(states, sorted, choices);
  return isSound ? { kind: "solved", choices } : { kind: "unresolvable", choices, states };
}

function decide(work: Propagation, name: Name): void {
  const { states } = work;
  const offer = chooseOffer(states, name);
  if (offer === undefined) {
    assign(work, name, undefined);
    if (states.ofName(name).requirers > 0) work.errorCount += 1;
    return;
  }
  const { candidate } = offer;
  const own = states.of(candidate);
  if (own.exclusion !== undefined || !own.tagAllowed) markError(work, candidate);
  for (const held of candidate.offers) assign(work, held.name, held);
  for (const on of candidate.depends) work.constrain(candidate, on);
}

/** Lets `offer` stand for `name`; only virtual offers can stand there together. */
function assign(work: Propagation, name: Name, offer: NamedOffer | undefined): void {
  const state = work.states.ofName(name);
  if (state.isDecided) {
    const areVirtual = offer?.version === undefined && state.chosen?.version === undefined;
    if (areVirtual) return;
    markError(work, offer?.candidate);
    markError(work, state.chosen?.candidate);
    return;
  }
  state.isDecided = true;
  state.chosen = offer;
  for (const other of name.offers) {
    if (other.candidate === offer?.candidate) continue;
    if (offer?.version === undefined && other.version === undefined) continue;
    work.exclude(other.candidate, { kind: "name-taken", name, by: offer?.candidate });
  }
  work.decided(name);
}

function markError(work: Propagation, candidate: Candidate | undefined): void {
  if (candidate === undefined) return;
  const own = work.states.of(candidate);
  if (own.hasError) return;
  own.hasError = true;
  work.errorCount += 1;
}

/** Whether every dependency and conflict of the world and of each choice is content with what was chosen. */
function holds(
  states: States,
  world: readonly NamedDependency[],
  choices: readonly OrderedChoice[],
): boolean {
  const areContent = (all: readonly NamedDependency[]): boolean =>
    all.every(({ name, dependency }) => isContent(dependency, states.ofName(name).chosen));
  return areContent(world) && choices.every(({ candidate }) => areContent(candidate.depends));
}
