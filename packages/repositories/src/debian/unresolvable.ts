// Says in words why a world cannot be resolved: the chain from what was asked for to what does not fit.

import { KelpieError } from "@kelpie/platform";
import { formatClause, type Clause } from "./dependency.ts";
import type { PackageIndex } from "./package-index.ts";
import type { DebianPackage } from "./package.ts";
import { type Choice, type Clash, describeClash, type Obligation } from "./selection.ts";

/** Why a branch of the search ended. */
export type Failure =
  | { readonly kind: "nothing-fits"; readonly obligation: Obligation }
  | {
      readonly kind: "other-version";
      readonly obligation: Obligation;
      readonly wanted: DebianPackage;
      readonly present: Choice;
    }
  | { readonly kind: "clash"; readonly clash: Clash };

const maxChain = 50;

/** The `unresolvable` error for a failed search. */
export function explain(index: PackageIndex, failure: Failure): KelpieError {
  const [reason, chains] = describe(index, failure);
  return new KelpieError("unresolvable", `No set of packages satisfies the request: ${reason}`, {
    found: chains.map((chain) => chain.join(", ")).join("; and "),
    help: "Ask for other packages or versions, add a suite or component that has what is missing, or assume it installed.",
  });
}

function describe(
  index: PackageIndex,
  failure: Failure,
): readonly [reason: string, chains: readonly string[][]] {
  switch (failure.kind) {
    case "nothing-fits":
      return [nothingFits(index, failure.obligation.clause), [chain(failure.obligation)]];
    case "other-version": {
      const { wanted, present, obligation } = failure;
      const reason = `${wanted.name} is needed in two versions, ${present.chosen.version} and ${wanted.version}`;
      return [reason, [chainTo(present), chain(obligation)]];
    }
    case "clash": {
      const { excluder, excluded } = failure.clash;
      const { name, version } = excluded.chosen;
      const reason = `${describeClash(failure.clash)}, and ${name} ${version} is needed too`;
      return [reason, [chainTo(excluder), chainTo(excluded)]];
    }
    default:
      return failure satisfies never;
  }
}

function nothingFits(index: PackageIndex, clause: Clause): string {
  const present = clause.flatMap(({ name }) => [
    ...index.versions(name).map(({ version }) => `${name} ${version}`),
    ...index
      .providers(name)
      .map((provider) => `${provider.name} ${provider.version}, which provides ${name}`),
  ]);
  const offer = present.length === 0 ? "no package of that name" : present.slice(0, 5).join(", ");
  return `nothing is ${formatClause(clause)} (the indexes have ${offer})`;
}

function chainTo({ chosen, obligation }: Choice): string[] {
  return [...chain(obligation), `so ${chosen.name} ${chosen.version} is chosen`];
}

/** From the world down: "python3 is asked for", "python3 3.11 depends on libpython3 (= 3.11)". */
function chain(last: Obligation): string[] {
  const links: string[] = [];
  let at: Obligation | undefined = last;
  while (at !== undefined && links.length < maxChain) {
    const { kind, clause, origin }: Obligation = at;
    if (origin.by === "world") {
      links.push(`${formatClause(clause)} is asked for`);
      at = undefined;
    } else {
      const { name, version } = origin.by;
      links.push(
        `${name} ${version} ${kind === "depends" ? "depends" : "pre-depends"} on ${formatClause(clause)}`,
      );
      at = origin.origin;
    }
  }
  return links.reverse();
}
