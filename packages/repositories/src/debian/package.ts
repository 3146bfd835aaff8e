// A binary package as a Packages index describes it.

import { normalizePath } from "@kelpie/formats";
import { type Architecture, KelpieError } from "@kelpie/platform";
import type { ResolvedPackage } from "../package.ts";
import { requiredField, type Stanza } from "./deb822.ts";
import { type Clause, parseDependencies, type Relation } from "./dependency.ts";
import { parseDebianVersion } from "./version.ts";

/** One clause that must hold for the package to work. */
export interface Requirement {
  readonly kind: "pre-depends" | "depends";
  readonly clause: Clause;
}

/** What must not be installed beside the package. */
export interface Exclusion {
  readonly kind: "conflicts" | "breaks";
  readonly relation: Relation;
}

/** A name that the package answers to, with a version or without. */
export interface Provision {
  readonly name: string;
  readonly version: string | undefined;
}

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  /** "all" or the machine's. */
  readonly architecture: string;
  readonly multiArch: "no" | "same" | "foreign" | "allowed";
  readonly priority: string;
  readonly source: string;
  readonly requirements: readonly Requirement[];
  readonly exclusions: readonly Exclusion[];
  readonly provides: readonly Provision[];
  readonly location: string;
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

const maxPackageBytes = 4 * 2 ** 30;

/**
 * Reads one stanza of a Packages index. `repositoryUrl` is what its Filename is relative to.
 *
 * @throws KelpieError `malformed`, `unsafe-path`, `limit-exceeded`.
 */
export function readPackageStanza(
  stanza: Stanza,
  architecture: Architecture,
  repositoryUrl: string,
  index: string,
): DebianPackage {
  const name = requiredField(stanza, "Package", index);
  const where = `${name} in ${index}`;
  const version = requiredField(stanza, "Version", where);
  parseDebianVersion(version);
  const clauses = (field: string): Clause[] =>
    parseDependencies(stanza.get(field) ?? "", architecture, `${field} of ${where}`);
  const requirements = (["pre-depends", "depends"] as const).flatMap((kind) =>
    clauses(kind).map((clause) => ({ kind, clause })),
  );
  const exclusions = (["conflicts", "breaks"] as const).flatMap((kind) =>
    clauses(kind).flatMap((clause) => clause.map((relation) => ({ kind, relation }))),
  );
  const provides = clauses("provides").flatMap((clause) =>
    clause.map((relation) => ({ name: relation.name, version: relation.constraint?.version })),
  );
  return {
    name,
    version,
    architecture: requiredField(stanza, "Architecture", where),
    multiArch: multiArch(stanza.get("Multi-Arch") ?? "no", where),
    priority: stanza.get("Priority") ?? "optional",
    // "Source: glibc (2.36-9)": the version is there where it differs from the binary's.
    source: (stanza.get("Source") ?? name).replace(/ .*$/, ""),
    requirements,
    exclusions,
    provides,
    location: archiveUrl(repositoryUrl, requiredField(stanza, "Filename", where), where),
    sizeBytes: size(requiredField(stanza, "Size", where), where),
    sha256: digest(requiredField(stanza, "SHA256", where), where),
  };
}

/** What a lock records of it. */
export function toResolved(found: DebianPackage, architecture: Architecture): ResolvedPackage {
  const { name, version, location, sizeBytes, source, sha256 } = found;
  return {
    ecosystem: "debian",
    name,
    version,
    architecture,
    location,
    sizeBytes,
    digest: `sha256:${sha256}`,
    source,
  };
}

function archiveUrl(repositoryUrl: string, filename: string, where: string): string {
  const path = normalizePath(filename);
  // A URL is made of it, and it is handed to other programs.
  if (!/^[\w.+~%:@=,/-]+$/.test(path) || path.startsWith("-"))
    throw malformed("a Filename of letters, digits and . + ~ % : @ = , / _ -", filename, where);
  return `${repositoryUrl.replace(/\/*$/, "")}/${path}`;
}

function multiArch(text: string, where: string): DebianPackage["multiArch"] {
  if (text === "no" || text === "same" || text === "foreign" || text === "allowed") return text;
  throw malformed("Multi-Arch no, same, foreign or allowed", text, where);
}

function size(text: string, where: string): number {
  if (!/^\d{1,15}$/.test(text)) throw malformed("a Size in bytes", text, where);
  if (Number(text) <= maxPackageBytes) return Number(text);
  throw new KelpieError("limit-exceeded", "A package is too large", {
    expected: `at most ${maxPackageBytes} bytes`,
    found: text,
    where,
  });
}

function digest(text: string, where: string): string {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw malformed("a SHA256 of 64 hexadecimal digits", text, where);
  return text.toLowerCase();
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a package index", {
    expected,
    found: JSON.stringify(found.slice(0, 200)),
    where,
  });
}
