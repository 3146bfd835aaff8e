// What is known of Debian's archive without being told.

import type { Platform } from "@kelpie/platform";

export const defaultRelease = "bookworm";
export const debianMirror = "http://mirror.example/debian";
export const debianSecurityMirror = "http://mirror.example/debian-security";

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

/** Those of `keyrings`, or else of the host's own, that are there. */
export async function presentKeyrings(
  { files }: Pick<Platform, "files">,
  keyrings: readonly string[] = hostKeyrings,
): Promise<string[]> {
  const present: string[] = [];
  for (const keyring of keyrings) if ((await files.stat(keyring)) !== undefined) present.push(keyring);
  return present;
}
