// kelpie images list --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count, storedImage } from "./parts.ts";

export const schema = z.object({
  images: z.array(
    storedImage.extend({
      name: z.string().describe("in its spec"),
      distribution: z.string().describe("with its version"),
      kernelRelease: z.string().describe("what `uname -r` prints"),
      hostname: z.string().describe("of a sandbox that has no name of its own"),
      buildDate: z.iso.datetime().describe("the commit's, or SOURCE_DATE_EPOCH"),
      sizeBytes: count.describe("of all its files"),
      tags: z.array(z.string()),
      references: z.array(z.string()).describe("by which it was fetched from registries"),
    }),
  ),
  broken: z
    .array(z.object({ directory: z.string().describe("its name in the store"), reason: z.string() }))
    .describe("directories that should be images and cannot be used"),
});

export type ImagesListJson = JsonOf<typeof schema>;
