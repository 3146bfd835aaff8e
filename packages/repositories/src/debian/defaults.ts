// What is known of Debian's archive without being told.

import { KelpieError, type Platform } from "@kelpie/platform";

export const defaultRelease = "bookworm";

/** Indexes are not asked for again within an hour. */
export const defaultMaxIndexAgeMs = 3_600_000;

/** Where the package debian-archive-keyring puts the archive's keys. */
const hostKeyrings = [
  "/usr/share/keyrings/debian-archive-keyring.gpg",
  "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/** The suites of a release that a machine should follow. */
export function defaultSuites(release: string): string[] {
  return [release, `${release}-updates`, `${release}-security`];
}

/**
 * The mirror that a person names for hosts that know none, in KELPIE_DEBIAN_MIRROR. There is no other: which mirror is near
 * and allowed is not ours to say.
 */
export function configuredMirror({ host }: Pick<Platform, "host">): string | undefined {
  const mirror = host.environment["KELPIE_DEBIAN_MIRROR"] ?? "";
  return mirror === "" ? undefined : mirror.replace(/\/+$/, "");
}

/** Where a mirror's security updates stand, by the archive's own convention: beside it, with this ending. */
export function securityMirrorOf(mirror: string): string {
  return `${mirror.replace(/\/+$/, "")}-security`;
}

export function noMirror(release: string): KelpieError {
  return new KelpieError("invalid-input", `No mirror with Debian ${release} is known on this machine`, {
    expected: "a Debian among the sources of the host's apt, or a mirror that is named",
    help: "Set KELPIE_DEBIAN_MIRROR to the address of one near you, or name it in the spec (repositories: debian: mirror).",
  });
}

/** Those of `keyrings`, or else of the host's own, that are there. */
export async function presentKeyrings(
  { files }: Pick<Platform, "files">,
  keyrings: readonly string[] = hostKeyrings,
): Promise<string[]> {
  const present: string[] = [];
  for (const keyring of keyrings) if ((await files.stat(keyring)) !== undefined) present.push(keyring);
  return present;
}
