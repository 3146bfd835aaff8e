// Reads Cargo.lock: which crates, at which digests, a program of the guest is compiled from.
// Cargo writes this file itself, so the reader knows that one form of TOML and refuses any other.

import { KelpieError } from "@kelpie/platform";
import type { InventoryCrate } from "./inventory.ts";
import { packageUrl } from "./package-url.ts";

/** Largest Cargo.lock that is read. */
export const maxCargoLockBytes = 16 << 20;
const maxPackages = 20_000;
const registry = "registry+https://github.com/rust-lang/crates.io-index";

interface LockedCrate {
  readonly name: string;
  readonly version: string;
  readonly source: string | undefined;
  readonly checksum: string | undefined;
  /** "syn", or "syn 2.0.1" where there are several. */
  readonly dependencies: readonly string[];
}

/** A package of the workspace itself, with every crate that it needs directly or through another. */
export interface CargoProgram {
  readonly name: string;
  readonly version: string;
  /** In the order of name and version. */
  readonly crates: readonly InventoryCrate[];
}

/**
 * A workspace package and all that it needs.
 *
 * @throws KelpieError `malformed` for a lock that Cargo did not write so, `not-found` where it lacks the package.
 */
export function cargoProgram(text: string, name: string, where: string): CargoProgram {
  const crates = parseLock(text, where);
  const byKey = new Map<string, LockedCrate>();
  for (const crate of crates) {
    byKey.set(`${crate.name} ${crate.version}`, crate);
    byKey.set(crate.name, crate);
  }
  const program = byKey.get(name);
  if (program === undefined || program.source !== undefined)
    throw new KelpieError("not-found", `Cargo.lock has no package ${name} of the workspace`, { where });
  const reached = new Set<LockedCrate>([program]);
  for (const crate of reached) {
    for (const dependency of crate.dependencies) {
      // "name version (source)" where even the versions are the same.
      const found = byKey.get(dependency.replace(/ \(.*\)$/, ""));
      if (found === undefined) throw malformed("a package for every dependency", dependency, where);
      reached.add(found);
    }
  }
  const external = [...reached].filter(({ source }) => source !== undefined);
  return {
    name,
    version: program.version,
    crates: external.map((crate) => inventoryCrate(crate, where)).sort((a, b) => (a.purl < b.purl ? -1 : 1)),
  };
}

function inventoryCrate({ name, version, source, checksum }: LockedCrate, where: string): InventoryCrate {
  if (source !== registry || checksum === undefined || !/^[0-9a-f]{64}$/.test(checksum))
    throw malformed("crates of crates.io with a checksum", `${name} ${version} of ${source ?? ""}`, where);
  return {
    name,
    version,
    purl: packageUrl({ type: "cargo", name, version }),
    sha256: checksum,
  };
}

function parseLock(text: string, where: string): readonly LockedCrate[] {
  const sections = text.split(/^\[\[package\]\]$/m).slice(1);
  if (sections.length === 0 || sections.length > maxPackages)
    throw malformed(`1 to ${maxPackages} packages`, `${sections.length}`, where);
  return sections.map((section) => {
    const value = (key: string): string | undefined =>
      new RegExp(`^${key} = "([^"\\\\\n]*)"$`, "m").exec(section)?.[1];
    const [name, version] = [value("name"), value("version")];
    if (name === undefined || version === undefined)
      throw malformed("a name and a version", JSON.stringify(section.slice(0, 100)), where);
    const list = /^dependencies = \[\n((?: "[^"\\\n]*",\n)*)\]$/m.exec(section)?.[1] ?? "";
    if (list === "" && section.includes("dependencies ="))
      throw malformed("one dependency a line", name, where);
    const dependencies = [...list.matchAll(/"([^"]*)"/g)].map(([, dependency = ""]) => dependency);
    return { name, version, source: value("source"), checksum: value("checksum"), dependencies };
  });
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cargo.lock is not as Cargo writes it", { expected, found, where });
}
