// kelpie images prune --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { architecture, count, version } from "./parts.ts";

export const schema = z.object({
  images: z.array(
    z.object({
      version,
      architecture,
      name: z.string(),
      verdict: z.enum(["goes", "stays"]),
      reason: z.string(),
    }),
  ),
  freedBytes: count.describe("of images"),
  cache: z
    .array(z.object({ path: z.string().describe("below KELPIE_HOME"), sizeBytes: count }))
    .describe("what goes of the cache"),
  removed: z.boolean().describe("false without --yes: nothing was done"),
});

export type ImagesPruneJson = JsonOf<typeof schema>;
