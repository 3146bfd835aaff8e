// kelpie images export --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count, digest, sha256 } from "./parts.ts";

export const schema = z.object({
  path: z.string().describe("of the archive, or of the layout's directory"),
  sizeBytes: count.optional().describe("format kelpie"),
  sha256: sha256.optional().describe("format kelpie"),
  checksums: z.string().optional().describe("format kelpie: path of SHA256SUMS"),
  name: z.string().optional().describe("container formats: what docker load calls it"),
  manifests: z
    .array(z.object({ architecture: z.string(), digest }))
    .optional()
    .describe("container formats"),
});

export type ImagesExportJson = JsonOf<typeof schema>;
