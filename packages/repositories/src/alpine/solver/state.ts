// What the solver knows of each package and name while it works.

import type { Candidate, Name, NamedDependency, NamedOffer, Universe } from "./universe.ts";

/** Why a package cannot be chosen: the first fact that ruled it out, kept for the explanation. */
export type Exclusion =
  /** A chosen package, or the world (`by` undefined), does not take this version. */
  | { readonly kind: "constraint"; readonly by: Candidate | undefined; readonly on: NamedDependency }
  /** Something that it needs cannot be had. */
  | { readonly kind: "dependency"; readonly on: NamedDependency }
  /** Another package holds a name that only one may hold. */
  | { readonly kind: "name-taken"; readonly name: Name; readonly by: Candidate | undefined }
  /** Whatever is chosen for `name` also has the name of this package, and this package does not provide `name`. */
  | { readonly kind: "superseded"; readonly name: Name };

export interface CandidateState {
  seen: boolean;
  exclusion: Exclusion | undefined;
  /** How many constraints it does not meet. */
  conflicts: number;
  /** Whether it was an option the last time that its name's common dependencies were merged. */
  merging: boolean;
  merged: boolean;
  /** install-if: undecided until each of its conditions is decided. */
  trigger: "none" | "undecided" | "met" | "failed";
  /** Bits of the repository tags that it may come from; bit 0 is "no tag". */
  tagsAllowed: number;
  tagAllowed: boolean;
  tagPreferred: boolean;
  /** As {@link NameState.depth}. */
  depth: number;
  hasError: boolean;
  inOrder: boolean;
}

export interface NameState {
  seen: boolean;
  /** How many chosen packages and world lines want it. */
  requirers: number;
  /** Set once the name is decided; `chosen` is then what stands for it. */
  isDecided: boolean;
  chosen: NamedOffer | undefined;
  isDirty: boolean;
  isOpen: boolean;
  recheckDependencies: boolean;
  recheckTriggers: boolean;
  hasTriggered: boolean;
  cannotTrigger: boolean;
  hasOptions: boolean;
  dependentsDecided: boolean;
  /** The longest chain of dependencies below it: long chains are decided first. */
  depth: number;
  /** Scratch space of merging: how many of the options so far depend on, or provide, this name. */
  mergeDepends: number;
  mergeProvides: number;
  mergeVirtual: boolean;
  inOrder: boolean;
}

/** States by the ids of candidates and names. */
export class States {
  readonly #candidates: (CandidateState | undefined)[] = [];
  readonly #names: (NameState | undefined)[] = [];
  readonly universe: Universe;

  constructor(universe: Universe) {
    this.universe = universe;
  }

  of(candidate: Candidate): CandidateState {
    return (this.#candidates[candidate.id] ??= {
      seen: false,
      exclusion: undefined,
      conflicts: 0,
      merging: false,
      merged: false,
      trigger: candidate.installIf.length === 0 ? "none" : "undecided",
      tagsAllowed: 1,
      tagAllowed: false,
      tagPreferred: false,
      depth: 0,
      hasError: false,
      inOrder: false,
    });
  }

  ofName(name: Name): NameState {
    return (this.#names[name.id] ??= {
      seen: false,
      requirers: 0,
      isDecided: false,
      chosen: undefined,
      isDirty: false,
      isOpen: false,
      recheckDependencies: false,
      recheckTriggers: false,
      hasTriggered: false,
      cannotTrigger: true,
      hasOptions: false,
      dependentsDecided: false,
      depth: 0,
      mergeDepends: 0,
      mergeProvides: 0,
      mergeVirtual: false,
      inOrder: false,
    });
  }
}
