// Which of two images is the newer.

import { compareImageVersions, type ImageVersion } from "../version/image-version.ts";

/** An image as far as its age goes. */
export interface Dated {
  readonly version: ImageVersion;
  /** When its commit was made, as ISO 8601 in UTC, where that is known. */
  readonly buildDate?: string;
}

/**
 * Negative where `a` is the older. A version says only the day: of two commits of one day the later is the newer, whatever
 * their hashes.
 */
export function compareAge(a: Dated, b: Dated): number {
  const day = ({ version }: Dated): ImageVersion => ({ ...version, gitSha: "" });
  return (
    compareImageVersions(day(a), day(b)) ||
    Date.parse(a.buildDate ?? "") - Date.parse(b.buildDate ?? "") ||
    compareImageVersions(a.version, b.version)
  );
}
