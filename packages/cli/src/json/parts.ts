// What several commands print in the same form under --json.

import { architectures } from "@kelpie/platform";
import { z } from "zod";

export const architecture = z.enum(architectures);
export const version = z.string().describe("MAJOR.MINOR.PATCH[-PRERELEASE]-DATE-GITSHA");
export const count = z.int().nonnegative();
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
export const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);

/** An image of the store. */
export const storedImage = z.object({
  version,
  architecture,
  directory: z.string().describe("where its files are"),
});

/** What stands on two sides of a comparison. */
export const changes = z.array(
  z.object({
    name: z.string(),
    before: z.string().optional().describe("absent where it is new"),
    after: z.string().optional().describe("absent where it is gone"),
  }),
);

/** A step and its time. */
export const phase = z.object({ name: z.string(), durationMs: z.number().nonnegative() });

/** What was pushed to a registry. */
export const pushed = z.object({
  reference: z.string().describe("by which it is pulled"),
  digest: digest.describe("of the index that the tag names"),
  networkBytes: count.describe("what had to be sent"),
});

/** A package as a repository's verified index states it. */
export const resolvedPackage = z.object({
  ecosystem: z.enum(["alpine", "debian"]),
  name: z.string(),
  version: z.string(),
  architecture,
  location: z.string().describe("the URL that it comes from"),
  sizeBytes: count,
  digest: z.string().describe("as the index states it: `sha256:…`, or for apk `apk-c:…`"),
  source: z.string().optional().describe("the source package, where the index says so"),
  license: z.string().optional(),
});

/** Where bytes are. */
export const shares = z.array(z.object({ name: z.string(), sizeBytes: count, files: count }));

/** A key, by name and content. */
export const key = z.object({
  name: z.string(),
  id: z.string().describe("digest of the public key"),
});
