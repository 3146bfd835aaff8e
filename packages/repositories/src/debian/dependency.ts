// Dependencies as control fields write them: "a (>= 1) | b:any [amd64], c" (Debian policy, section 7.1).

import { KelpieError } from "@kelpie/platform";
import { compareDebianVersions, parseDebianVersion } from "./version.ts";

export type VersionOperator = "<<" | "<=" | "=" | ">=" | ">>";

export interface VersionConstraint {
  readonly operator: VersionOperator;
  readonly version: string;
}

/** One package name with what is asked of it. */
export interface Relation {
  readonly name: string;
  /** After the colon: "any", "native" or an architecture. */
  readonly qualifier?: string;
  readonly constraint?: VersionConstraint;
}

/** Any one of these is enough; at least one. */
export type Clause = readonly Relation[];

const maxClauses = 10_000;
const maxAlternatives = 1000;

const relationPattern =
  /^(?<name>[A-Za-z0-9][A-Za-z0-9+.-]*)(?::(?<qualifier>[a-z0-9-]+))?(?:\s*\(\s*(?<operator><<|<=|=|>=|>>|<|>)\s*(?<version>[^\s)]+)\s*\))?(?:\s*\[\s*(?<architectures>!?[a-z0-9-]+(?:\s+!?[a-z0-9-]+)*)\s*\])?$/;

/** What dpkg still reads the two oldest operators as. */
const legacyOperators: Readonly<Record<string, VersionOperator>> = { "<": "<=", ">": ">=" };

/**
 * The clauses of a dependency field, of which all must hold. Alternatives that an architecture restriction rules out are
 * left out, and with the last of them their clause.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`.
 */
export function parseDependencies(
  field: string,
  architecture: string,
  where = "a dependency field",
): Clause[] {
  const clauses = field.split(",").map((text) => text.trim());
  // A comma at the end is a common slip that dpkg forgives.
  if (clauses.at(-1) === "") clauses.pop();
  if (clauses.length > maxClauses) throw tooMany(maxClauses, "clauses", where);
  return clauses.map((text) => parseClause(text, architecture, where)).filter((clause) => clause.length > 0);
}

/** Whether a package of `version` is what the constraint asks for. */
export function satisfiesConstraint(version: string, constraint: VersionConstraint | undefined): boolean {
  if (constraint === undefined) return true;
  const order = compareDebianVersions(version, constraint.version);
  switch (constraint.operator) {
    case "<<":
      return order < 0;
    case "<=":
      return order <= 0;
    case "=":
      return order === 0;
    case ">=":
      return order >= 0;
    case ">>":
      return order > 0;
    default:
      return constraint.operator satisfies never;
  }
}

/** As a control field writes it. */
export function formatRelation({ name, qualifier, constraint }: Relation): string {
  const version = constraint === undefined ? "" : ` (${constraint.operator} ${constraint.version})`;
  return `${name}${qualifier === undefined ? "" : `:${qualifier}`}${version}`;
}

/** As a control field writes it. */
export function formatClause(clause: Clause): string {
  return clause.map(formatRelation).join(" | ");
}

function parseClause(text: string, architecture: string, where: string): Relation[] {
  const alternatives = text.split("|");
  if (alternatives.length > maxAlternatives) throw tooMany(maxAlternatives, "alternatives", where);
  return alternatives.flatMap((alternative) => {
    const parsed = parseRelation(alternative.trim(), where);
    return isForArchitecture(parsed.architectures, architecture) ? [parsed.relation] : [];
  });
}

function parseRelation(
  text: string,
  where: string,
): { readonly relation: Relation; readonly architectures: readonly string[] } {
  const groups = relationPattern.exec(text)?.groups;
  const name = groups?.["name"];
  if (groups === undefined || name === undefined) {
    throw new KelpieError("malformed", "Cannot read a dependency", {
      expected: '"name", "name (>= version)", "name:any" or "name [architecture]"',
      found: JSON.stringify(text.slice(0, 200)),
      where,
    });
  }
  const { qualifier, operator, version, architectures } = groups;
  if (version !== undefined) parseDebianVersion(version);
  return {
    relation: {
      name,
      ...(qualifier === undefined ? {} : { qualifier }),
      ...(operator === undefined || version === undefined
        ? {}
        : { constraint: { operator: legacyOperators[operator] ?? asOperator(operator), version } }),
    },
    architectures: architectures?.split(/\s+/) ?? [],
  };
}

function asOperator(text: string): VersionOperator {
  switch (text) {
    case "<<":
    case "<=":
    case "=":
    case ">=":
    case ">>":
      return text;
    default:
      throw new KelpieError("internal", `The pattern for dependencies let the operator ${text} through`);
  }
}

/** "[amd64 arm64]" names where it holds, "[!amd64]" where it does not. */
function isForArchitecture(restrictions: readonly string[], architecture: string): boolean {
  if (restrictions.length === 0) return true;
  const matches = (name: string): boolean =>
    name === architecture || name === "any" || name === "linux-any" || name === `any-${architecture}`;
  const negated = restrictions.filter((name) => name.startsWith("!"));
  if (negated.length > 0) return !negated.some((name) => matches(name.slice(1)));
  return restrictions.some(matches);
}

function tooMany(limit: number, what: string, where: string): KelpieError {
  return new KelpieError("limit-exceeded", `A dependency field has too many ${what}`, {
    expected: `at most ${limit}`,
    where,
  });
}
