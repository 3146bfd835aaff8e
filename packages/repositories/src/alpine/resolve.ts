// A world of words into a list of packages with the reason for each.

import { KelpieError } from "@kelpie/platform";
import { parseDependency } from "./dependency.ts";
import type { ApkRecord } from "./record.ts";
import { explain, titleOf } from "./solver/explain.ts";
import type { Reason } from "./solver/order.ts";
import { solve, type Wish } from "./solver/solve.ts";
import { type Candidate, createUniverse, type Universe } from "./solver/universe.ts";

/** The packages of one repository, and the tag by which a world asks for them where it has one. */
export interface TaggedIndex {
  readonly tag?: string | undefined;
  readonly records: readonly ApkRecord[];
}

/** A package that was chosen. */
export interface ResolvedRecord {
  readonly record: ApkRecord;
  /** The numbers of the repositories that have it, lowest first. */
  readonly repositories: readonly number[];
  /** Why it is there, for a person. */
  readonly reason: string;
}

const maxTags = 30;

/** Resolves worlds over the same indexes, which are prepared once. */
export class Resolver {
  readonly #universe: Universe;
  /** A repository's tag as a bit; bit 0 is "no tag". */
  readonly #tagBits: readonly number[];
  readonly #tags = new Map<string, number>();
  readonly #indexes: readonly TaggedIndex[];

  /** @throws KelpieError `limit-exceeded` for more than 30 tags. */
  constructor(indexes: readonly TaggedIndex[]) {
    this.#indexes = indexes;
    this.#universe = createUniverse(indexes.map(({ records }) => records));
    this.#tagBits = indexes.map(({ tag }) => {
      if (tag === undefined) return 1;
      const bit = this.#tags.get(tag) ?? 1 << (this.#tags.size + 1);
      this.#tags.set(tag, bit);
      return bit;
    });
    if (this.#tags.size > maxTags) {
      throw new KelpieError("limit-exceeded", "There are too many repository tags", {
        expected: `at most ${maxTags}`,
        found: `${this.#tags.size}`,
      });
    }
  }

  /**
   * The packages that make `world` hold, in the order in which they are installed.
   *
   * @throws KelpieError `invalid-input` for a world that cannot be read, `unresolvable` with the reasons.
   */
  resolve(world: readonly string[]): ResolvedRecord[] {
    const wishes = world.map((text) => this.#wish(text));
    const tags = { of: (candidate: Candidate) => this.#tagsOf(candidate) };
    const solution = solve(this.#universe, tags, wishes);
    switch (solution.kind) {
      case "solved":
        return solution.choices.map(({ candidate, reason }) => ({
          record: candidate.record,
          repositories: candidate.repositories,
          reason: describeReason(candidate, reason),
        }));
      case "unresolvable": {
        const { states, choices } = solution;
        const why = explain(states, wishes, choices, (candidate) => this.#tagNames(candidate));
        throw new KelpieError("unresolvable", `The packages cannot be resolved:\n${why}`);
      }
      default:
        return solution satisfies never;
    }
  }

  #wish(text: string): Wish {
    const dependency = readWish(text);
    const { tag } = dependency;
    const bit = tag === undefined ? 1 : this.#tags.get(tag);
    if (bit === undefined) {
      throw new KelpieError(
        "invalid-input",
        "A package is asked for from a repository tag that no repository has",
        {
          expected: this.#tags.size === 0 ? "a repository with that tag" : [...this.#tags.keys()].join(", "),
          found: text,
        },
      );
    }
    return { dependency, name: this.#universe.name(dependency.name), tags: bit };
  }

  #tagsOf(candidate: Candidate): number {
    return candidate.repositories.reduce((bits, repository) => bits | (this.#tagBits[repository] ?? 0), 0);
  }

  #tagNames(candidate: Candidate): string[] {
    return candidate.repositories.flatMap((repository) => this.#indexes[repository]?.tag ?? []);
  }
}

function readWish(text: string): ReturnType<typeof parseDependency> {
  try {
    return parseDependency(text);
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
    throw new KelpieError("invalid-input", "A package cannot be asked for like this", {
      expected: "name, name=1.2, name~1.2, name>1.2, name@tag or !name",
      found: JSON.stringify(text),
      cause: error,
    });
  }
}

function describeReason(candidate: Candidate, reason: Reason): string {
  switch (reason.kind) {
    case "world":
      return `world: ${reason.on.dependency.text}`;
    case "dependency":
      return `depends: ${reason.on.dependency.text} of ${titleOf(reason.by)}`;
    case "install-if":
      return `install-if: ${candidate.installIf.map(({ dependency }) => dependency.text).join(" ")}`;
    default:
      return reason satisfies never;
  }
}
