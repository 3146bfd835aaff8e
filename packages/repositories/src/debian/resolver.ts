// Chooses packages for a world: each clause by the first alternative that fits, what has no alternative first, with a
// way back where choices collide. The same indexes and world always give the same packages.

import { KelpieError } from "@kelpie/platform";
import type { Resolution } from "../package.ts";
import { type Clause, formatClause, parseDependencies, type Relation } from "./dependency.ts";
import { installationOrder } from "./installation-order.ts";
import { type DebianPackage, toResolved } from "./package.ts";
import type { PackageIndex } from "./package-index.ts";
import type { DebianResolveOptions } from "./repository.ts";
import { type Choice, isWhatIsAsked, type Obligation, providesWhatIsAsked, Selection } from "./selection.ts";
import { explain, type Failure } from "./unresolvable.ts";

const maxBranches = 2000;
const maxChosen = 20_000;

/** As `DebianRepository.resolve`. */
export function resolveWorld(
  index: PackageIndex,
  world: readonly string[],
  { assume = [] }: DebianResolveOptions = {},
): Resolution {
  const assumed = new Set(
    assume.flatMap((name) => [
      name,
      ...(index.versions(name)[0]?.provides.map((provision) => provision.name) ?? []),
    ]),
  );
  const obligations = world.map(
    (item): Obligation => ({
      kind: "depends",
      clause: parseWorldItem(item, index.architecture),
      origin: { by: "world" },
    }),
  );
  const outcome = new Search(index).run(new Selection(index.architecture, assumed), obligations, []);
  if (!(outcome instanceof Selection)) throw explain(index, outcome);
  const ordered = installationOrder(outcome, obligations);
  return {
    packages: ordered.map(({ chosen }) => toResolved(chosen, index.architecture)),
    reasons: new Map(ordered.map(({ chosen, obligation }) => [chosen.name, describeReason(obligation)])),
  };
}

/** One item of a world: a dependency clause, or "name=version" as apt's own command line takes it. */
export function parseWorldItem(item: string, architecture: string): Clause {
  const [, name, version] = /^([^\s=(|]+)=([^\s=]+)$/.exec(item.trim()) ?? [];
  const text = name === undefined || version === undefined ? item : `${name} (= ${version})`;
  try {
    const [clause, ...more] = parseDependencies(text, architecture, "the list of packages");
    if (clause !== undefined && more.length === 0) return clause;
  } catch (cause) {
    throw invalidItem(item, cause);
  }
  throw invalidItem(item);
}

/**
 * What could satisfy a clause, best first: for each alternative in its order the newest package of that name that fits,
 * then those that provide it.
 */
export function candidates(index: PackageIndex, clause: Clause): DebianPackage[] {
  const found = clause.flatMap((relation) => [
    ...named(index, relation),
    ...index.providers(relation.name).filter((provider) => providesWhatIsAsked(provider, relation)),
  ]);
  return [...new Set(found)];
}

function named(index: PackageIndex, relation: Relation): DebianPackage[] {
  return index
    .versions(relation.name)
    .filter((found) => isWhatIsAsked(found, relation, index.architecture))
    .slice(0, 1);
}

class Search {
  readonly #index: PackageIndex;
  #branches = 0;

  constructor(index: PackageIndex) {
    this.#index = index;
  }

  /**
   * Settles `pending` and all that follows from it, or says why it cannot. Clauses with one candidate are settled before
   * any choice is made, so that "debconf | debconf-2.0" finds out first whether debconf comes anyway.
   */
  run(
    selection: Selection,
    pending: readonly Obligation[],
    open: readonly Obligation[],
  ): Selection | Failure {
    const queue = [...pending];
    const choices = [...open];
    for (let obligation = queue.shift(); obligation !== undefined; obligation = queue.shift()) {
      if (selection.satisfies(obligation.clause)) continue;
      const [only, ...others] = candidates(this.#index, obligation.clause);
      if (only === undefined) return { kind: "nothing-fits", obligation };
      if (others.length > 0) {
        choices.push(obligation);
        continue;
      }
      const failure = take(selection, only, obligation, queue);
      if (failure !== undefined) return failure;
    }
    return this.#choose(selection, choices);
  }

  #choose(selection: Selection, choices: readonly Obligation[]): Selection | Failure {
    const at = choices.findIndex(({ clause }) => !selection.satisfies(clause));
    const obligation = choices[at];
    if (obligation === undefined) return selection;
    let first: Failure | undefined;
    for (const candidate of candidates(this.#index, obligation.clause)) {
      if (++this.#branches > maxBranches) break;
      const branch = selection.copy();
      const pending: Obligation[] = [];
      const outcome =
        take(branch, candidate, obligation, pending) ?? this.run(branch, pending, choices.slice(at + 1));
      if (outcome instanceof Selection) return outcome;
      first ??= outcome;
    }
    return first ?? { kind: "nothing-fits", obligation };
  }
}

/** Adds the package and queues what it requires; a failure if it cannot stand beside what is there. */
function take(
  selection: Selection,
  chosen: DebianPackage,
  obligation: Obligation,
  queue: Obligation[],
): Failure | undefined {
  const present = selection.choices().get(chosen.name);
  if (present !== undefined) return { kind: "other-version", obligation, wanted: chosen, present };
  if (selection.choices().size === maxChosen) {
    throw new KelpieError("limit-exceeded", "A world needs too many packages", {
      expected: `at most ${maxChosen}`,
    });
  }
  const choice: Choice = { chosen, obligation };
  const clash = selection.clash(choice);
  if (clash !== undefined) return { kind: "clash", clash };
  selection.add(choice);
  for (const requirement of chosen.requirements)
    queue.push({ ...requirement, origin: { by: chosen, origin: obligation } });
  return undefined;
}

function describeReason({ kind, clause, origin }: Obligation): string {
  return origin.by === "world"
    ? `asked for: ${formatClause(clause)}`
    : `${kind}: ${formatClause(clause)} of ${origin.by.name}`;
}

function invalidItem(item: string, cause?: unknown): KelpieError {
  return new KelpieError("invalid-input", "Cannot read an item of the list of packages", {
    expected: '"bash", "bash=5.2-1", "libc6 (>= 2.36)" or "mawk | gawk"',
    found: JSON.stringify(item),
    cause,
  });
}
