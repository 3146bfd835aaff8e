// kelpie images inspect --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { imageMetadataSchema } from "@kelpie/images";
import { count, shares } from "./parts.ts";

export const schema = z.object({
  ...imageMetadataSchema.shape,
  directory: z.string().describe("where its files are"),
  sizes: z
    .object({
      totalBytes: count.describe("of all its files"),
      parts: shares.describe("root file system, kernel, initrd"),
      packages: shares,
      directories: shares,
      types: shares.describe("by type of content"),
      overheadBytes: count.describe("what the root file system takes beyond its files"),
    })
    .optional()
    .describe("with --sizes"),
});

export type ImagesInspectJson = JsonOf<typeof schema>;
