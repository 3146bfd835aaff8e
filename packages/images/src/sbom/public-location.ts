// Where anybody finds a package's archive. Mirrors and caches of the machine that built an image are nobody else's business,
// and would make two builds of the same image differ.

import type { ResolvedPackage } from "@kelpie/repositories";
import type { ImageSpec } from "../spec/image-spec.ts";

/**
 * A URL; undefined where the spec names none: for a base tarball without one, and for Debian's packages, which every
 * mirror has and which their purl and digest tell apart.
 */
export function publicLocation(
  chosen: ResolvedPackage,
  { repositories, base }: Pick<ImageSpec, "repositories" | "base">,
): string | undefined {
  if (base !== undefined && chosen.location === base.tarball) return base.url;
  const { location } = chosen;
  if (chosen.ecosystem === "debian" && repositories.debian?.mirror === undefined) return undefined;
  return /^https?:\/\//.test(location) ? location : undefined;
}
