// All that could be installed: packages, the names that they provide, and who asks for which name.

import type { Dependency, Offer } from "../dependency.ts";
import type { ApkRecord } from "../record.ts";

/** A package of one or more repositories. */
export interface Candidate {
  /** Its place in {@link Universe.candidates}. */
  readonly id: number;
  readonly record: ApkRecord;
  readonly name: Name;
  /** Under which names it goes: its own first, then what it provides. */
  readonly offers: readonly NamedOffer[];
  readonly depends: readonly NamedDependency[];
  readonly installIf: readonly NamedDependency[];
  /** Numbers of the repositories that have it, lowest first. */
  readonly repositories: readonly number[];
}

/** A candidate under one of its names; without a version where it provides that name virtually. */
export interface NamedOffer extends Offer {
  readonly candidate: Candidate;
  readonly name: Name;
}

export interface NamedDependency {
  readonly dependency: Dependency;
  readonly name: Name;
}

/** A name that something has or something wants. */
export interface Name {
  /** Its place in {@link Universe.names}. */
  readonly id: number;
  readonly text: string;
  /** In the order of the repositories and their indexes. */
  readonly offers: readonly NamedOffer[];
  /** Names of which a package depends on this name. */
  readonly dependents: readonly Name[];
  /** Names of which a package has this name among its install-if conditions. */
  readonly triggered: readonly Name[];
  /** 0: only packages of this very name. 1: others provide it too. 2: only others. Lower is decided first. */
  readonly rank: 0 | 1 | 2;
}

export interface Universe {
  readonly candidates: readonly Candidate[];
  readonly names: readonly Name[];
  /** Finds a name; a name that nothing knows is made, so that a world can ask for it. */
  name(text: string): Name;
}

interface GrowingName extends Name {
  readonly offers: NamedOffer[];
  readonly dependents: Name[];
  readonly triggered: Name[];
  rank: 0 | 1 | 2;
}

/** Makes the universe of `indexes`, one for each repository, in their order. The same package in two of them is one. */
export function createUniverse(indexes: readonly (readonly ApkRecord[])[]): Universe {
  const names = new Map<string, GrowingName>();
  const nameList: GrowingName[] = [];
  const nameOf = (text: string): GrowingName => {
    const known = names.get(text);
    if (known !== undefined) return known;
    const name: GrowingName = {
      id: nameList.length,
      text,
      offers: [],
      dependents: [],
      triggered: [],
      rank: 0,
    };
    names.set(text, name);
    nameList.push(name);
    return name;
  };
  const named = new Map<Dependency, NamedDependency>();
  const nameDependency = (dependency: Dependency): NamedDependency => {
    const known = named.get(dependency);
    if (known !== undefined) return known;
    const made = { dependency, name: nameOf(dependency.name) };
    named.set(dependency, made);
    return made;
  };
  const candidates = new Map<string, Candidate & { readonly repositories: number[] }>();
  for (const [repository, records] of indexes.entries()) {
    for (const record of records) {
      const known = candidates.get(record.checksum);
      if (known !== undefined) {
        if (known.repositories.at(-1) !== repository) known.repositories.push(repository);
        continue;
      }
      const candidate = createCandidate(candidates.size, record, repository, nameOf, nameDependency);
      candidates.set(record.checksum, candidate);
      for (const offer of candidate.offers) nameList[offer.name.id]?.offers.push(offer);
    }
  }
  for (const name of nameList) connect(name, nameList);
  return { candidates: [...candidates.values()], names: nameList, name: nameOf };
}

function createCandidate(
  id: number,
  record: ApkRecord,
  repository: number,
  nameOf: (text: string) => Name,
  nameDependency: (dependency: Dependency) => NamedDependency,
): Candidate & { readonly repositories: number[] } {
  const { checksum, version } = record;
  const offers: NamedOffer[] = [];
  const candidate = {
    id,
    record,
    name: nameOf(record.name),
    offers,
    depends: record.depends.map(nameDependency),
    installIf: record.installIf.map(nameDependency),
    repositories: [repository],
  };
  offers.push({ candidate, name: candidate.name, version, checksum });
  for (const provision of record.provides)
    offers.push({ candidate, name: nameOf(provision.name), version: provision.version, checksum });
  return candidate;
}

/** Enters `name` at the names that its packages ask for, and ranks it. */
function connect(name: GrowingName, names: readonly GrowingName[]): void {
  const enter = (list: Name[] | undefined): void => {
    if (list !== undefined && list.at(-1) !== name) list.push(name);
  };
  let foreign = 0;
  for (const { candidate } of name.offers) {
    if (candidate.name !== name) foreign += 1;
    for (const { name: other } of candidate.depends) enter(names[other.id]?.dependents);
    for (const { name: other } of candidate.installIf) enter(names[other.id]?.triggered);
  }
  name.rank = foreign === 0 ? 0 : foreign === name.offers.length ? 2 : 1;
}
