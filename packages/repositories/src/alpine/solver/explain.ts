// Why a world cannot be resolved, in words: each thing that is missing, and who asks for it, back to the world.

import { isContent } from "../dependency.ts";
import type { OrderedChoice } from "./order.ts";
import type { Wish } from "./solve.ts";
import type { Exclusion, States } from "./state.ts";
import type { Candidate, Name, NamedDependency } from "./universe.ts";

const maxProblems = 8;
const maxChain = 6;
const maxNamed = 4;

/** One problem a line, worst first; further lines of a problem begin with two blanks. Never empty. */
export function explain(
  states: States,
  wishes: readonly Wish[],
  choices: readonly OrderedChoice[],
  tagNames: (candidate: Candidate) => readonly string[],
): string {
  const explainer = new Explainer(states, choices, tagNames);
  for (const wish of wishes) explainer.check(undefined, wish);
  for (const { candidate } of choices) {
    for (const on of candidate.depends) explainer.check(candidate, on);
  }
  // A choice that may not stand breaks what needs it: told on its own only where nothing that is wanted is broken.
  if (explainer.problems.length === 0) choices.forEach(({ candidate }) => explainer.checkChoice(candidate));
  const problems = explainer.problems;
  if (problems.length === 0) return "what was chosen contradicts itself";
  const shown = problems.slice(0, maxProblems);
  const more = problems.length - shown.length;
  return [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join("\n");
}

class Explainer {
  readonly problems: string[] = [];
  readonly #states: States;
  readonly #reasons: ReadonlyMap<Candidate, OrderedChoice["reason"]>;
  readonly #tagNames: (candidate: Candidate) => readonly string[];
  readonly #told = new Set<string>();

  constructor(
    states: States,
    choices: readonly OrderedChoice[],
    tagNames: (candidate: Candidate) => readonly string[],
  ) {
    this.#states = states;
    this.#reasons = new Map(choices.map(({ candidate, reason }) => [candidate, reason]));
    this.#tagNames = tagNames;
  }

  /** Tells of `on`, which `by` or the world wants, if it does not hold. */
  check(by: Candidate | undefined, on: NamedDependency): void {
    const { name, dependency } = on;
    const { chosen } = this.#states.ofName(name);
    if (isContent(dependency, chosen)) return;
    const who = this.#chain(by, dependency.text);
    if (dependency.conflict) {
      const found = chosen === undefined ? "something else" : titleOf(chosen.candidate);
      this.#tell(`${dependency.text}: ${found} must not be there, ${who}`, chosen?.candidate);
      return;
    }
    const fitting = name.offers
      .filter((offer) => isContent(dependency, offer))
      .map(({ candidate }) => candidate);
    const best = fitting[0];
    if (best !== undefined) this.#tell(`${dependency.text}: ${who}\n  ${this.#obstacle(name, best, 0)}`);
    else if (name.offers.length === 0) this.#tell(`${dependency.text}: no such package, ${who}`);
    else this.#tell(`${dependency.text}: there is only ${offered(name)}, ${who}`);
  }

  /** Tells of a chosen package that may not be chosen though nobody's wish for it is broken. */
  checkChoice(candidate: Candidate): void {
    const own = this.#states.of(candidate);
    if (own.tagAllowed && own.exclusion === undefined) return;
    const title = `${titleOf(candidate)}: ${this.#chain(candidate, undefined)}`;
    this.#tell(`${title}\n  ${this.#obstacle(candidate.name, candidate, 0)}`);
  }

  #tell(problem: string, also?: Candidate): void {
    const reason =
      also === undefined ? "" : `\n  ${titleOf(also)} is there because it is ${this.#chain(also, undefined)}`;
    const whole = problem + reason;
    if (this.#told.has(whole)) return;
    this.#told.add(whole);
    this.problems.push(whole);
  }

  /** Why `candidate` cannot stand for `name`. */
  #obstacle(name: Name, candidate: Candidate, depth: number): string {
    const own = this.#states.of(candidate);
    const title = titleOf(candidate);
    if (own.exclusion !== undefined) return this.#exclusion(title, own.exclusion, depth);
    if (!own.tagAllowed) {
      const tags = this.#tagNames(candidate).map((tag) => `${name.text}@${tag}`);
      return `${title} is only in a tagged repository: ask for ${tags.join(" or ")}`;
    }
    const virtual = name.offers.filter(({ version }) => version === undefined);
    if (virtual.length > 0) {
      const providers = virtual.map((offer) => offer.candidate.record.name);
      return `it is provided by ${listed(providers)}, none with a priority: name the one that you want`;
    }
    return `${title} contradicts what else is wanted`;
  }

  #exclusion(title: string, exclusion: Exclusion, depth: number): string {
    switch (exclusion.kind) {
      case "constraint": {
        const { by, on } = exclusion;
        return `${title} is ruled out by ${on.dependency.text}, ${this.#chain(by, on.dependency.text)}`;
      }
      case "name-taken": {
        const { name, by } = exclusion;
        if (by === undefined) return `${title} is not wanted by anything else`;
        return `${title} has the name ${name.text}, which ${titleOf(by)} has too, ${this.#chain(by, undefined)}`;
      }
      case "superseded":
        return `${title} does not provide ${exclusion.name.text}, and cannot be there beside what does`;
      case "dependency": {
        const { dependency, name } = exclusion.on;
        const start = `${title} needs ${dependency.text}`;
        const fitting = name.offers.find((offer) => isContent(dependency, offer));
        if (dependency.conflict) return `${start}, and ${this.#standing(name)} is wanted`;
        if (name.offers.length === 0) return `${start}: no such package`;
        if (fitting === undefined) return `${start}: there is only ${offered(name)}`;
        if (depth >= maxChain) return `${start}, which cannot be had`;
        return `${start}; ${this.#obstacle(name, fitting.candidate, depth + 1)}`;
      }
      default:
        return exclusion satisfies never;
    }
  }

  #standing(name: Name): string {
    const { chosen } = this.#states.ofName(name);
    return chosen === undefined ? offered(name) : titleOf(chosen.candidate);
  }

  /** Who wants something, and who wants that one, up to the world. */
  #chain(by: Candidate | undefined, text: string | undefined): string {
    const links: string[] = [];
    let at = by;
    let wanted = text;
    while (links.length < maxChain) {
      if (at === undefined) return [...links, "asked for"].join(", ");
      if (wanted !== undefined) links.push(`needed by ${titleOf(at)}`);
      const reason = this.#reasons.get(at);
      if (reason === undefined) return links.length === 0 ? "considered" : links.join(", ");
      if (reason.kind === "install-if") return [...links, "installed because of its conditions"].join(", ");
      wanted = reason.on.dependency.text;
      at = reason.kind === "world" ? undefined : reason.by;
    }
    return [...links, "…"].join(", ");
  }
}

/** Name and version, as apk writes them together. */
export function titleOf({ record }: Candidate): string {
  return `${record.name}-${record.version}`;
}

function offered(name: Name): string {
  return listed(name.offers.map(({ candidate }) => titleOf(candidate)));
}

function listed(items: readonly string[]): string {
  const unique = [...new Set(items)];
  const more = unique.length - maxNamed;
  return unique.slice(0, maxNamed).join(", ") + (more > 0 ? ` and ${more} more` : "");
}
