// Which package is taken for a name, and which name is decided next.

import { compareVersions } from "../version.ts";
import type { States } from "./state.ts";
import type { Name, NamedOffer } from "./universe.ts";

/** The best offer for `name`, or undefined if nothing may stand for it. It may be one that is ruled out: an error then. */
export function chooseOffer(states: States, name: Name): NamedOffer | undefined {
  const state = states.ofName(name);
  if (state.requirers === 0 && !state.hasTriggered) return undefined;
  let best: NamedOffer | undefined;
  for (const offer of name.offers) {
    const { candidate } = offer;
    const own = states.of(candidate);
    if (state.requirers === 0 && (own.trigger !== "met" || !own.tagAllowed)) continue;
    if (isAmbiguous(states, offer)) continue;
    if (best === undefined || compareOffers(states, offer, best) > 0) best = offer;
  }
  return best;
}

/** A virtual name is not decided by chance: a package needs a priority for it, or to be wanted by its own name. */
function isAmbiguous(states: States, { candidate, version }: NamedOffer): boolean {
  return (
    version === undefined &&
    candidate.record.providerPriority === 0 &&
    states.ofName(candidate.name).requirers === 0
  );
}

/** Positive where `a` is to be preferred. The first rule that tells them apart decides. */
function compareOffers(states: States, a: NamedOffer, b: NamedOffer): number {
  const left = states.of(a.candidate);
  const right = states.of(b.candidate);
  return (
    Number(left.exclusion === undefined) - Number(right.exclusion === undefined) ||
    Number(left.merged) - Number(right.merged) ||
    right.conflicts - left.conflicts ||
    Number(left.tagAllowed) - Number(right.tagAllowed) ||
    Number(left.tagPreferred) - Number(right.tagPreferred) ||
    (a.version === undefined || b.version === undefined ? 0 : compareVersions(a.version, b.version)) ||
    (a.candidate.name === b.candidate.name
      ? compareVersions(a.candidate.record.version, b.candidate.record.version)
      : 0) ||
    a.candidate.record.providerPriority - b.candidate.record.providerPriority ||
    (b.candidate.repositories[0] ?? 0) - (a.candidate.repositories[0] ?? 0)
  );
}

/**
 * The open name to decide next: one without a choice left, of which all dependents are decided, if there is any;
 * else the one that is wanted, is provided by packages of its own name, and has the longest chain below it. Of equals the
 * latest opened.
 */
export function nextName(states: States, open: ReadonlySet<Name>): Name | undefined {
  let forced: Name | undefined;
  let best: Name | undefined;
  for (const name of open) {
    const state = states.ofName(name);
    if (state.dependentsDecided && state.requirers > 0 && !state.hasOptions) forced = name;
    if (best === undefined || urgency(states, name, best) >= 0) best = name;
  }
  return forced ?? best;
}

function urgency(states: States, a: Name, b: Name): number {
  const left = states.ofName(a);
  const right = states.ofName(b);
  return (
    Number(left.requirers > 0) - Number(right.requirers > 0) || b.rank - a.rank || left.depth - right.depth
  );
}
