// Whether the state of a sandbox may be restored on another image: the rules, in one place.

import { formatImageVersion, type ImageVersion } from "./image-version.ts";

/** What the rules say of a pair of versions. */
export type Compatibility =
  | { readonly kind: "same" }
  | { readonly kind: "compatible"; readonly warning?: string }
  | { readonly kind: "incompatible"; readonly reason: string };

/**
 * Same MAJOR.MINOR may restore from each other; another is refused, since the distribution, the kernel ABI or the agent's
 * protocol may differ; a PATCH difference is allowed with a warning. Pre-release, date and commit never decide.
 */
export function restoreCompatibility(saved: ImageVersion, present: ImageVersion): Compatibility {
  const savedText = formatImageVersion(saved);
  const presentText = formatImageVersion(present);
  if (saved.major !== present.major || saved.minor !== present.minor) {
    return {
      kind: "incompatible",
      reason: `saved on ${savedText}, which is ${saved.major}.${saved.minor}; ${presentText} is ${present.major}.${present.minor}`,
    };
  }
  if (saved.patch !== present.patch) {
    return {
      kind: "compatible",
      warning: `saved on ${savedText}, restored on ${presentText}: the patch level differs`,
    };
  }
  return savedText === presentText ? { kind: "same" } : { kind: "compatible" };
}
