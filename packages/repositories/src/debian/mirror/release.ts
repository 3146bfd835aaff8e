// Reads a Release file: which suite it is, how long it holds, and the digest and size of every index (Debian's
// "RepositoryFormat").

import { KelpieError } from "@kelpie/platform";
import { parseStanza, requiredField } from "../deb822.ts";

export interface ReleaseEntry {
  /** In hexadecimal. */
  readonly sha256: string;
  readonly sizeBytes: number;
}

export interface Release {
  readonly suite: string;
  readonly codename: string;
  readonly dateMs: number;
  /** Undefined for a release that holds for ever. */
  readonly validUntilMs: number | undefined;
  readonly byHash: boolean;
  /** By path relative to the Release file. */
  readonly entries: ReadonlyMap<string, ReleaseEntry>;
}

const maxReleaseLength = 16 << 20;
const maxEntries = 200_000;

/** @throws KelpieError `malformed`, `limit-exceeded`. */
export function parseRelease(text: string, where: string): Release {
  const stanza = parseStanza(text, { where, limits: { maxLength: maxReleaseLength } });
  const validUntil = stanza.get("Valid-Until");
  return {
    suite: stanza.get("Suite") ?? "",
    codename: stanza.get("Codename") ?? "",
    dateMs: date(requiredField(stanza, "Date", where), where),
    validUntilMs: validUntil === undefined ? undefined : date(validUntil, where),
    byHash: stanza.get("Acquire-By-Hash") === "yes",
    entries: entriesOf(requiredField(stanza, "SHA256", where), where),
  };
}

function entriesOf(field: string, where: string): Map<string, ReleaseEntry> {
  const lines = field.split("\n").slice(1);
  if (lines.length > maxEntries) {
    throw new KelpieError("limit-exceeded", "A release lists too many files", {
      expected: `at most ${maxEntries}`,
      found: String(lines.length),
      where,
    });
  }
  return new Map(
    lines.map((line) => {
      const [, sha256, size, path] = /^\s+([0-9a-f]{64})\s+(\d{1,15})\s+(\S+)$/i.exec(line) ?? [];
      if (sha256 === undefined || size === undefined || path === undefined)
        throw malformed("a SHA256, a size and a path", line, where);
      return [path, { sha256: sha256.toLowerCase(), sizeBytes: Number(size) }];
    }),
  );
}

function date(text: string, where: string): number {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw malformed("a date", text, where);
  return ms;
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read a release", {
    expected,
    found: JSON.stringify(found.slice(0, 200)),
    where,
  });
}
