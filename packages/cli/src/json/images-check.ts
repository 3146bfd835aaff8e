// kelpie images check --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { architecture, version } from "./parts.ts";

export const schema = z.object({
  version,
  architecture,
  sound: z.boolean().describe("whether all is met"),
  findings: z.array(
    z.object({
      what: z.string().describe("what a VM needs"),
      isMet: z.boolean(),
      found: z.string(),
    }),
  ),
});

export type ImagesCheckJson = JsonOf<typeof schema>;
