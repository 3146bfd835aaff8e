// Decides which sources the private apt reads: the host's own entries for the wanted suites where it has them, else the
// host's Debian mirror with the wanted suite or release, else the mirror that a person configured.
//
// Third-party repositories often name their suites as Debian does ("bookworm main"), so nothing can be told from an
// entry alone. All that match are given to apt, each with the keys that the host trusts for it, and what counts is what
// the signed Release file then says: only indexes of Origin Debian are used (see indexes.ts). An entry that fails
// is apt's warning, and an error of ours only if a wanted suite is missing in the end.

import { type Field, formatStanza } from "../deb822.ts";
import { noMirror, securityMirrorOf } from "../defaults.ts";
import type { HostSource } from "./host-sources.ts";

export interface WantedSuites {
  /** The release's codename: "bookworm". */
  readonly release: string;
  /** Codenames: "bookworm", "bookworm-updates", "bookworm-security". */
  readonly suites: readonly string[];
  readonly components: readonly string[];
  /** A mirror that is used instead of the host's for all suites but the security suite. */
  readonly mirror?: string | undefined;
  readonly securityMirror?: string | undefined;
}

/** What is known of the host beside its sources. */
export interface HostRelease {
  /** The codename of the Debian that the host runs; undefined on any other distribution. */
  readonly codename: string | undefined;
  /** Files with Debian's archive keys, for entries that name none. */
  readonly keyrings: readonly string[];
  /** The mirror for a host whose sources name none. */
  readonly configuredMirror?: string | undefined;
}

/**
 * The text of a deb822 sources file for apt. The same input gives the same text, which is what caches are keyed by.
 *
 * @throws KelpieError `invalid-input` where no mirror is known.
 */
export function planSources(wanted: WantedSuites, sources: readonly HostSource[], host: HostRelease): string {
  const stanzas = wanted.suites.flatMap((suite) =>
    sourcesOfSuite(suite, wanted, sources, host).map(({ uri, options }) =>
      formatStanza([
        { name: "Types", value: "deb" },
        { name: "URIs", value: uri },
        { name: "Suites", value: suite },
        { name: "Components", value: wanted.components.join(" ") },
        { name: "Targets", value: "Packages" },
        ...options,
      ]),
    ),
  );
  return [...new Set(stanzas)].join("\n");
}

type PlannedSource = Pick<HostSource, "uri" | "options">;

function sourcesOfSuite(
  suite: string,
  wanted: WantedSuites,
  sources: readonly HostSource[],
  host: HostRelease,
): PlannedSource[] {
  const isSecurity = suite.endsWith("-security");
  const chosen = isSecurity ? wanted.securityMirror : wanted.mirror;
  if (chosen !== undefined) return [{ uri: chosen, options: signedBy(host) }];
  const named = (name: string): PlannedSource[] =>
    sources.filter((source) => source.suite === name && source.components.includes("main"));
  const own = named(suite);
  if (own.length > 0) return own;
  if (host.codename !== undefined && suite.startsWith(wanted.release)) {
    const sibling = named(host.codename + suite.slice(wanted.release.length));
    // Its keys are those of the host's release; Debian's own keyring has the wanted one's too.
    if (sibling.length > 0)
      return sibling.map(({ uri, options }) => ({
        uri,
        options: [...withoutKeys(options), ...signedBy(host)],
      }));
  }
  const main = named(wanted.release);
  if (main.length > 0) {
    return main.map(({ uri, options }) => ({ uri: isSecurity ? securityMirrorOf(uri) : uri, options }));
  }
  const { configuredMirror } = host;
  if (configuredMirror === undefined) throw noMirror(wanted.release);
  return [
    { uri: isSecurity ? securityMirrorOf(configuredMirror) : configuredMirror, options: signedBy(host) },
  ];
}

function signedBy({ keyrings }: HostRelease): Field[] {
  return keyrings.length === 0 ? [] : [{ name: "Signed-By", value: keyrings.join(" ") }];
}

function withoutKeys(options: readonly Field[]): Field[] {
  return options.filter(({ name }) => name.toLowerCase() !== "signed-by");
}
