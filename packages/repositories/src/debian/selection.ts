// The packages chosen so far on one branch of a search: what they satisfy, and what they rule out.

import type { VersionConstraint, Clause, Relation } from "./dependency.ts";
import { formatRelation, satisfiesConstraint } from "./dependency.ts";
import type { DebianPackage, Exclusion, Requirement } from "./package.ts";

/** Why a package or a clause is in the search: the world, or a package that was chosen before. */
export type Origin = { readonly by: "world" } | { readonly by: DebianPackage; readonly origin: Obligation };

/** A clause that must hold, and whose it is. */
export interface Obligation extends Requirement {
  readonly origin: Origin;
}

/** A package with the obligation for which it was chosen. */
export interface Choice {
  readonly chosen: DebianPackage;
  readonly obligation: Obligation;
}

/** Two packages that cannot stand beside each other. */
export interface Clash {
  readonly excluder: Choice;
  readonly exclusion: Exclusion;
  readonly excluded: Choice;
}

interface Standing {
  readonly choice: Choice;
  readonly exclusion: Exclusion;
}

/** Copied where the search branches, so that a branch that fails leaves nothing behind. */
export class Selection {
  readonly #byName: Map<string, Choice>;
  readonly #byProvided: Map<string, readonly Choice[]>;
  /** Exclusions of the chosen, by the name that they exclude. */
  readonly #excluded: Map<string, readonly Standing[]>;
  readonly #architecture: string;
  /** Names that count as installed in any version. */
  readonly #assumed: ReadonlySet<string>;

  constructor(architecture: string, assumed: ReadonlySet<string>, from?: Selection) {
    this.#architecture = architecture;
    this.#assumed = assumed;
    this.#byName = new Map(from?.choices());
    this.#byProvided = new Map(from === undefined ? [] : from.#byProvided);
    this.#excluded = new Map(from === undefined ? [] : from.#excluded);
  }

  copy(): Selection {
    return new Selection(this.#architecture, this.#assumed, this);
  }

  /** By name, in the order of their choice. */
  choices(): ReadonlyMap<string, Choice> {
    return this.#byName;
  }

  satisfies(clause: Clause): boolean {
    return clause.some(
      (relation) => this.#assumed.has(relation.name) || this.satisfier(relation) !== undefined,
    );
  }

  /** The chosen package that satisfies the relation, by its name or by what it provides. */
  satisfier(relation: Relation): DebianPackage | undefined {
    const named = this.#byName.get(relation.name)?.chosen;
    if (named !== undefined && isWhatIsAsked(named, relation, this.#architecture)) return named;
    return this.#byProvided.get(relation.name)?.find(({ chosen }) => providesWhatIsAsked(chosen, relation))
      ?.chosen;
  }

  /** What of the chosen the package cannot stand beside; undefined if it can be added. */
  clash(choice: Choice): Clash | undefined {
    const { chosen } = choice;
    for (const exclusion of chosen.exclusions) {
      const { relation } = exclusion;
      const rivals = [this.#byName.get(relation.name), ...(this.#byProvided.get(relation.name) ?? [])];
      const excluded = rivals.find(
        (rival) => rival !== undefined && isExcluded(rival.chosen, relation, chosen),
      );
      if (excluded !== undefined) return { excluder: choice, exclusion, excluded };
    }
    for (const name of [chosen.name, ...chosen.provides.map((provision) => provision.name)]) {
      for (const { choice: excluder, exclusion } of this.#excluded.get(name) ?? []) {
        if (isExcluded(chosen, exclusion.relation, excluder.chosen))
          return { excluder, exclusion, excluded: choice };
      }
    }
    return undefined;
  }

  add(choice: Choice): void {
    this.#byName.set(choice.chosen.name, choice);
    for (const { name } of choice.chosen.provides)
      this.#byProvided.set(name, [...(this.#byProvided.get(name) ?? []), choice]);
    for (const exclusion of choice.chosen.exclusions) {
      const { name } = exclusion.relation;
      this.#excluded.set(name, [...(this.#excluded.get(name) ?? []), { choice, exclusion }]);
    }
  }
}

/** Whether the package is, under its own name, what the relation asks for (Debian policy 7.1, Multi-Arch ":any"). */
export function isWhatIsAsked(found: DebianPackage, relation: Relation, architecture: string): boolean {
  const { qualifier, constraint } = relation;
  const fits =
    qualifier === undefined ||
    qualifier === "native" ||
    qualifier === architecture ||
    (qualifier === "any" && found.multiArch === "allowed");
  return fits && found.name === relation.name && satisfiesConstraint(found.version, constraint);
}

/** Whether the package provides what the relation asks for: a version only by a versioned Provides (policy 7.5). */
export function providesWhatIsAsked(
  found: DebianPackage,
  { name, qualifier, constraint }: Relation,
): boolean {
  if (qualifier === "any" && found.multiArch !== "allowed") return false;
  return found.provides.some((provision) => provision.name === name && holds(provision.version, constraint));
}

function holds(version: string | undefined, constraint: VersionConstraint | undefined): boolean {
  return constraint === undefined || (version !== undefined && satisfiesConstraint(version, constraint));
}

/** A package never excludes itself: "Provides: x, Conflicts: x" means that only one provider may be there. */
function isExcluded(found: DebianPackage, relation: Relation, excluder: DebianPackage): boolean {
  if (found.name === excluder.name) return false;
  if (found.name === relation.name) return satisfiesConstraint(found.version, relation.constraint);
  return providesWhatIsAsked(found, relation);
}

/** "bash 5.2 conflicts with dash (<< 1)". */
export function describeClash({ excluder, exclusion }: Clash): string {
  const { name, version } = excluder.chosen;
  const verb = exclusion.kind === "breaks" ? "breaks" : "conflicts with";
  return `${name} ${version} ${verb} ${formatRelation(exclusion.relation)}`;
}
