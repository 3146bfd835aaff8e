// Where the cache keeps the archive of a package, so that archives can be put aside and brought back.

import { alpineArchivePath } from "./alpine/repository.ts";
import { debianArchivePath } from "./debian/verified-repository.ts";
import type { ResolvedPackage } from "./package.ts";

/** From the cache's directory. What stands there is verified whenever it is read. @throws KelpieError `invalid-input`. */
export function archivePath(chosen: ResolvedPackage): string {
  return chosen.ecosystem === "alpine" ? alpineArchivePath(chosen) : `debian/${debianArchivePath(chosen)}`;
}
