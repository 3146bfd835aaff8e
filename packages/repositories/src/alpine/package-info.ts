// .PKGINFO of a package: lines of "key = value", of which some may be repeated.

import { KelpieError } from "@kelpie/platform";
import { type Dependency, parseDependency, parseList, parseProvision } from "./dependency.ts";
import type { ApkRecord } from "./record.ts";

/** What a package says of itself. */
export interface PackageInfo {
  /** The same as its index says, from the same source. */
  readonly record: ApkRecord;
  /** SHA-256 of the compressed data members, in hexadecimal; undefined for a package without data. */
  readonly dataHash: string | undefined;
  /** Packages whose files this one may take over. */
  readonly replaces: readonly Dependency[];
  /** Decides between two packages that replace each other; undefined where it is not stated. */
  readonly replacesPriority: number | undefined;
  /** Directories, as patterns, whose change runs this package's trigger. */
  readonly triggers: readonly string[];
}

export const maxPackageInfoBytes = 4 << 20;

/**
 * Reads it, for a package with this checksum and size.
 *
 * @throws KelpieError `malformed`.
 */
export function parsePackageInfo(
  text: string,
  { checksum, sizeBytes }: Pick<ApkRecord, "checksum" | "sizeBytes">,
  where: string,
): PackageInfo {
  const values = new Map<string, string[]>();
  for (const [index, line] of text.split("\n").entries()) {
    if (line === "" || line.startsWith("#")) continue;
    const [, key, value] = /^([a-z0-9_]+) = ?(.*)$/.exec(line) ?? [];
    if (key === undefined || value === undefined) {
      throw new KelpieError("malformed", "A line of a package's .PKGINFO cannot be read", {
        expected: "key = value",
        found: JSON.stringify(line.slice(0, 100)),
        where: `${where}, .PKGINFO line ${index + 1}`,
      });
    }
    const known = values.get(key);
    if (known === undefined) values.set(key, [value]);
    else known.push(value);
  }
  const all = (key: string): readonly string[] => values.get(key) ?? [];
  const one = (key: string, pattern: RegExp): string | undefined => {
    const found = all(key);
    const value = found[0];
    if (value === undefined) return undefined;
    if (found.length === 1 && pattern.test(value)) return value;
    throw new KelpieError("malformed", "A package's .PKGINFO has a bad value", {
      expected: `${key} once, of the form ${pattern.source}`,
      found: JSON.stringify(found.join("; ").slice(0, 100)),
      where,
    });
  };
  const integer = (key: string): number | undefined => {
    const value = one(key, /^\d{1,15}$/);
    return value === undefined ? undefined : Number(value);
  };
  const relations = (key: string): Dependency[] =>
    all(key).flatMap((list) => parseList(list, parseDependency));
  const record: ApkRecord = {
    checksum,
    name: one("pkgname", /^[^\s/]+$/) ?? "",
    version: one("pkgver", /^[^\s/]+$/) ?? "",
    architecture: one("arch", /^\S+$/) ?? "",
    sizeBytes,
    installedBytes: integer("size") ?? 0,
    description: one("pkgdesc", /^/) ?? "",
    url: one("url", /^/) ?? "",
    license: one("license", /^/) ?? "",
    origin: one("origin", /^\S*$/) ?? "",
    maintainer: one("maintainer", /^/) ?? "",
    buildTimeSeconds: integer("builddate") ?? 0,
    commit: one("commit", /^\S*$/) ?? "",
    providerPriority: integer("provider_priority") ?? 0,
    depends: [...relations("depend"), ...all("conflict").map((text) => parseDependency(`!${text}`))],
    provides: all("provides").flatMap((list) => parseList(list, parseProvision)),
    installIf: relations("install_if"),
  };
  return {
    record,
    dataHash: one("datahash", /^[0-9a-f]{64}$/),
    replaces: relations("replaces"),
    replacesPriority: integer("replaces_priority"),
    triggers: all("triggers").flatMap((list) => list.split(/[: ]/).filter((pattern) => pattern !== "")),
  };
}
