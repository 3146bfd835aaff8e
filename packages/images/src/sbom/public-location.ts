// Where anybody finds a package's archive. Mirrors and caches of the machine that built an image are nobody else's business,
// and would make two builds of the same image differ.

import type { ResolvedPackage } from "@kelpie/repositories";
import type { ImageSpec } from "../spec/image-spec.ts";

const debianArchive = "https://mirror.example";

/** A URL; undefined where the package came with a base tarball that the spec does not name by URL. */
export function publicLocation(
  chosen: ResolvedPackage,
  { repositories, base }: Pick<ImageSpec, "repositories" | "base">,
): string | undefined {
  if (base !== undefined && chosen.location === base.tarball) return base.url;
  const { location } = chosen;
  // A mirror that the spec itself names may hold what Debian's does not.
  if (chosen.ecosystem === "debian" && repositories.debian?.mirror === undefined) {
    const path = /\/(pool\/.*)$/.exec(location)?.[1];
    if (path === undefined) return undefined;
    return `${debianArchive}/${path.startsWith("pool/updates/") ? "debian-security" : "debian"}/${path}`;
  }
  return /^https?:\/\//.test(location) ? location : undefined;
}
