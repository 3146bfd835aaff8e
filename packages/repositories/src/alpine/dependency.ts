// What one package says of another: name[@tag][operator version], with "!" before it for a conflict.

import { KelpieError } from "@kelpie/platform";
import { compareVersions, isValidVersion, matchesFuzzily } from "./version.ts";

/** Which versions a dependency takes. */
export type Constraint =
  | { readonly kind: "any" }
  | {
      readonly kind: "version";
      readonly less: boolean;
      readonly equal: boolean;
      readonly greater: boolean;
      /** Equality of the tokens that both versions have: `~1.2` takes 1.2.3. */
      readonly fuzzy: boolean;
      readonly version: string;
    }
  /** `><`: the very package with this checksum, as the index's `C:` has it. */
  | { readonly kind: "checksum"; readonly checksum: string };

/** A dependency, a conflict, a condition of install-if, or a line of the world. */
export interface Dependency {
  readonly name: string;
  /** The repository tag of `name@tag`, which only a world may use. */
  readonly tag?: string;
  /** `!name`: no package that matches may be there. */
  readonly conflict: boolean;
  readonly constraint: Constraint;
  /** As it was written. */
  readonly text: string;
}

/** A name that a package provides beside its own. Without a version it is virtual: several packages may provide it. */
export interface Provision {
  readonly name: string;
  readonly version?: string;
  readonly text: string;
}

/** What a dependency is checked against: a package under one of the names that it provides. */
export interface Offer {
  readonly version: string | undefined;
  readonly checksum: string;
}

const maxNameLength = 255;
const maxListLength = 20_000;

/** @throws KelpieError `malformed` for anything that apk would refuse. */
export function parseDependency(text: string): Dependency {
  const conflict = text.startsWith("!");
  const parts = /^([^\s<>=~!@]+)(?:@([^\s<>=~!@]+))?(?:([<>=~]+)([^\s<>=~!@]\S*))?$/.exec(
    conflict ? text.slice(1) : text,
  );
  const name = parts?.[1];
  if (parts === null || name === undefined || name.length > maxNameLength)
    throw malformed(text, "name, name=version or !name");
  const [, , tag, operator, version] = parts;
  const constraint = parseConstraint(text, operator, version);
  return tag === undefined ? { name, conflict, constraint, text } : { name, tag, conflict, constraint, text };
}

/** @throws KelpieError `malformed`. */
export function parseProvision(text: string): Provision {
  const { name, constraint, conflict, tag } = parseDependency(text);
  if (conflict || tag !== undefined || constraint.kind === "checksum")
    throw malformed(text, "name or name=version");
  return constraint.kind === "any" ? { name, text } : { name, version: constraint.version, text };
}

/** The same value for the same text: an index states the same few thousand relations again and again. */
export function memoized<T>(parse: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const value = known.get(text) ?? parse(text);
    known.set(text, value);
    return value;
  };
}

/** A list with blanks between its items, each item read by `parseItem`. */
export function parseList<T>(text: string, parseItem: (item: string) => T): T[] {
  const items = text.split(/[ \t\n]+/).filter((item) => item !== "");
  if (items.length > maxListLength) {
    throw new KelpieError("limit-exceeded", "A package states too many relations in one list", {
      expected: `at most ${maxListLength}`,
      found: `${items.length}`,
    });
  }
  return items.map(parseItem);
}

/** Whether the versions that `constraint` takes include the one on offer; a virtual offer has none to compare. */
export function matches(constraint: Constraint, offer: Offer): boolean {
  switch (constraint.kind) {
    case "any":
      return true;
    case "checksum":
      return constraint.checksum === offer.checksum;
    case "version": {
      if (offer.version === undefined) return false;
      if (constraint.fuzzy && matchesFuzzily(offer.version, constraint.version)) return constraint.equal;
      const comparison = compareVersions(offer.version, constraint.version);
      if (comparison === 0) return constraint.equal;
      return comparison < 0 ? constraint.less : constraint.greater;
    }
    default:
      return constraint satisfies never;
  }
}

/** Whether `dependency` is content with what stands under its name: an offer, or nothing. */
export function isContent(dependency: Dependency, offer: Offer | undefined): boolean {
  const met = offer !== undefined && matches(dependency.constraint, offer);
  return met !== dependency.conflict;
}

function parseConstraint(
  text: string,
  operator: string | undefined,
  version: string | undefined,
): Constraint {
  if (operator === undefined || version === undefined) return { kind: "any" };
  const has = (sign: string): boolean => operator.includes(sign);
  const constraint = {
    less: has("<"),
    greater: has(">"),
    fuzzy: has("~"),
    equal: has("=") || has("~"),
    version,
  };
  if (constraint.less && constraint.greater && !constraint.equal) {
    if (!/^Q1[A-Za-z0-9+/]{27}=$/.test(version))
      throw malformed(text, `a package's checksum after "${operator}"`);
    return { kind: "checksum", checksum: version };
  }
  if (!isValidVersion(version)) throw malformed(text, `a valid version after "${operator}"`);
  return { kind: "version", ...constraint };
}

function malformed(text: string, expected: string): KelpieError {
  return new KelpieError("malformed", "A package relation cannot be read", {
    expected,
    found: JSON.stringify(text.slice(0, 200)),
  });
}
