// kelpie images sbom --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count } from "./parts.ts";

export const schema = z.object({
  components: z.array(
    z.object({
      kind: z.enum(["package", "crate", "program"]),
      name: z.string(),
      version: z.string(),
      license: z.string().optional().describe("an SPDX expression, or the words of the package"),
      purl: z.string().optional().describe("package URL"),
      files: count.describe("how many of the image's files are its"),
    }),
  ),
});

export type ImagesSbomJson = JsonOf<typeof schema>;
