// What follows from what is known: constraints exclude packages, exclusions make dependencies unsatisfiable, and what all
// options of a name have in common is wanted before one of them is chosen.

import { isContent } from "../dependency.ts";
import type { CandidateState, Exclusion, NameState, States } from "./state.ts";
import type { Candidate, Name, NamedDependency } from "./universe.ts";

/** The repository tags, as bits: bit 0 is "no tag". */
export interface Tags {
  /** The tags of the repositories that have a package. */
  of(candidate: Candidate): number;
}

/** The knowledge of one solving, and the names whose knowledge has to be looked at again. */
export class Propagation {
  readonly states: States;
  readonly #tags: Tags;
  #dirty: Name[] = [];
  /** Names that want a decision, in the order in which they came to want it. */
  readonly open = new Set<Name>();
  errorCount = 0;

  constructor(states: States, tags: Tags) {
    this.states = states;
    this.#tags = tags;
  }

  /** Looks at a name, its packages and all that they can lead to, once. */
  discover(name: Name): void {
    const state = this.states.ofName(name);
    if (state.seen) return;
    state.seen = true;
    for (const { candidate } of name.offers) {
      const own = this.states.of(candidate);
      if (!own.seen) {
        own.seen = true;
        // A package that installs nothing may come from a tagged repository unasked: it is only a name for others.
        own.tagPreferred = candidate.record.installedBytes === 0 || (this.#tags.of(candidate) & 1) !== 0;
        own.tagAllowed = own.tagPreferred;
        for (const { name: needed } of candidate.depends) {
          this.discover(needed);
          own.depth = Math.max(own.depth, this.states.ofName(needed).depth + 1);
        }
      }
      state.cannotTrigger &&= own.trigger === "none" || own.trigger === "failed";
      state.depth = Math.max(state.depth, own.depth);
    }
    for (const triggered of name.triggered) this.discover(triggered);
    for (const { candidate } of name.offers) {
      for (const triggered of candidate.name.triggered) this.discover(triggered);
    }
  }

  /** Demands `on`, for `by` or for the world with the tags that its line allows. */
  constrain(by: Candidate | undefined, on: NamedDependency, worldTags = 0): void {
    const { name, dependency } = on;
    const state = this.states.ofName(name);
    if (!dependency.conflict) {
      state.requirers += 1;
      if (state.requirers === 1) this.#requirersChanged(name);
    }
    for (const offer of name.offers) {
      const own = this.states.of(offer.candidate);
      const isMet = isContent(dependency, offer);
      if (!isMet) own.conflicts += 1;
      if (own.exclusion === undefined && own.conflicts > 0)
        this.exclude(offer.candidate, { kind: "constraint", by, on });
      if (isMet) this.#inheritTags(offer.candidate, by, worldTags);
    }
  }

  /** Rules a package out, and has everything that could have used it looked at again. */
  exclude(candidate: Candidate, exclusion: Exclusion): void {
    this.states.of(candidate).exclusion ??= exclusion;
    for (const { name } of candidate.offers) this.#recheckDependents(name);
    for (const { name } of candidate.offers) this.recheckTriggered(name);
  }

  /** Has the packages that depend on `name`, or are triggered by it, looked at again now that it is decided. */
  decided(name: Name): void {
    const state = this.states.ofName(name);
    this.open.delete(name);
    if (state.isDirty) this.#dirty = this.#dirty.filter((other) => other !== name);
    state.isDirty = false;
    this.#recheckDependents(name);
    this.recheckTriggered(name);
  }

  recheckTriggered(name: Name): void {
    for (const other of name.triggered) {
      const state = this.states.ofName(other);
      if (!state.seen || state.cannotTrigger) continue;
      state.recheckTriggers = true;
      this.#queue(other);
    }
  }

  /** Works until nothing more follows. */
  settle(): void {
    // The queue grows while it is worked off.
    for (const name of this.#dirty) {
      this.states.ofName(name).isDirty = false;
      this.#reconsider(name);
    }
    this.#dirty = [];
  }

  #queue(name: Name): void {
    const state = this.states.ofName(name);
    if (state.isDirty || state.isDecided || (state.requirers === 0 && !state.recheckTriggers)) return;
    state.isDirty = true;
    this.#dirty.push(name);
  }

  #reopen(name: Name): void {
    const state = this.states.ofName(name);
    if (state.isDecided) return;
    if (state.requirers > 0 || state.hasTriggered) this.open.add(name);
    else this.open.delete(name);
  }

  #recheckDependents(name: Name): void {
    for (const other of name.dependents) {
      const state = this.states.ofName(other);
      if (!state.seen) continue;
      state.recheckDependencies = true;
      this.#queue(other);
    }
  }

  #requirersChanged(name: Name): void {
    this.#reopen(name);
    this.recheckTriggered(name);
    this.#queue(name);
  }

  #inheritTags(candidate: Candidate, by: Candidate | undefined, worldTags: number): void {
    const own = this.states.of(candidate);
    const tags = this.#tags.of(candidate);
    if (by === undefined) {
      own.tagsAllowed |= worldTags;
      own.tagPreferred = (tags & worldTags) !== 0;
    } else {
      own.tagsAllowed |= this.states.of(by).tagsAllowed;
    }
    own.tagAllowed ||= (tags & own.tagsAllowed) !== 0;
  }

  #isSatisfiable({ name, dependency }: NamedDependency): boolean {
    const state = this.states.ofName(name);
    if (state.isDecided) return isContent(dependency, state.chosen);
    if (state.requirers === 0 && isContent(dependency, undefined)) return true;
    return name.offers.some(
      (offer) => this.states.of(offer.candidate).exclusion === undefined && isContent(dependency, offer),
    );
  }

  #reconsider(name: Name): void {
    const state = this.states.ofName(name);
    const { recheckDependencies, recheckTriggers } = state;
    state.recheckDependencies = false;
    state.recheckTriggers = false;
    state.hasTriggered = false;
    state.cannotTrigger = true;
    let optionCount = 0;
    let first: Candidate | undefined;
    let isTagMissing = false;
    for (const offer of name.offers) {
      const { candidate } = offer;
      const own = this.states.of(candidate);
      own.merging = false;
      if (own.exclusion === undefined && recheckDependencies) {
        const on = candidate.depends.find((needed) => !this.#isSatisfiable(needed));
        if (on !== undefined) this.exclude(candidate, { kind: "dependency", on });
      }
      if (own.exclusion !== undefined) continue;
      if (recheckTriggers) this.#checkTrigger(candidate, own);
      state.hasTriggered ||= own.trigger === "met";
      state.cannotTrigger &&= own.trigger === "none" || own.trigger === "failed";
      if (state.requirers === 0) continue;
      own.merging = true;
      first ??= candidate;
      this.#merge(candidate, optionCount, offer.version === undefined);
      isTagMissing ||= !own.tagAllowed;
      optionCount += 1;
    }
    state.hasOptions = optionCount > 1 || isTagMissing;
    this.#reopen(name);
    if (first !== undefined) this.#wantCommon(name, first, optionCount);
    state.dependentsDecided = name.dependents.every((other) => isSettled(this.states.ofName(other)));
  }

  #checkTrigger(candidate: Candidate, own: CandidateState): void {
    if (own.trigger === "undecided") {
      own.trigger = this.#triggerOf(candidate);
    }
    if (own.trigger !== "met") return;
    for (const { name } of candidate.installIf)
      this.#inheritTags(candidate, this.states.ofName(name).chosen?.candidate, 0);
  }

  #triggerOf(candidate: Candidate): CandidateState["trigger"] {
    for (const { name, dependency } of candidate.installIf) {
      const state = this.states.ofName(name);
      if (!state.isDecided) return "undecided";
      if (!isContent(dependency, state.chosen)) return "failed";
    }
    return "met";
  }

  /** Counts for each name whether every option so far depends on it, and whether every option provides it. */
  #merge(candidate: Candidate, optionCount: number, isVirtual: boolean): void {
    for (const { name, dependency } of candidate.depends) {
      if (dependency.conflict) continue;
      const state = this.states.ofName(name);
      if (state.mergeDepends === optionCount) state.mergeDepends = optionCount + 1;
    }
    for (const [index, offer] of candidate.offers.entries()) {
      const state = this.states.ofName(offer.name);
      if (state.mergeProvides !== optionCount) continue;
      state.mergeProvides = optionCount + 1;
      state.mergeVirtual ||= index === 0 ? isVirtual : offer.version === undefined;
    }
  }

  #wantCommon(name: Name, first: Candidate, optionCount: number): void {
    for (const { candidate } of name.offers) {
      const own = this.states.of(candidate);
      own.merged = own.merging;
    }
    for (const on of first.depends) {
      const state = this.states.ofName(on.name);
      const isCommon = state.mergeDepends === optionCount;
      state.mergeDepends = 0;
      if (!isCommon) continue;
      if (optionCount === 1) this.constrain(first, on);
      else if (state.requirers === 0) {
        state.requirers += 1;
        this.#requirersChanged(on.name);
        for (const { candidate } of on.name.offers) this.#inheritTags(candidate, first, 0);
      }
    }
    for (const { name: provided } of first.offers) {
      const state = this.states.ofName(provided);
      const isCommon = state.mergeProvides === optionCount;
      state.mergeProvides = 0;
      if (isCommon) this.#excludeOthers(provided, name, state.mergeVirtual);
    }
    for (const { name: provided } of first.offers) this.states.ofName(provided).mergeVirtual = false;
  }

  /** All options for `wanted` have the name `provided` too: then nothing else that has it can be there beside them. */
  #excludeOthers(provided: Name, wanted: Name, sparesVirtual: boolean): void {
    if (provided === wanted) return;
    for (const offer of provided.offers) {
      const { candidate } = offer;
      if (this.states.of(candidate).exclusion !== undefined) continue;
      if (sparesVirtual && offer.version === undefined) continue;
      const fits = candidate.offers.some(
        (other) => other.name === wanted || (sparesVirtual && other.version === undefined),
      );
      if (!fits) this.exclude(candidate, { kind: "superseded", name: wanted });
    }
  }
}

function isSettled(state: NameState): boolean {
  return !state.seen || state.isDecided;
}
