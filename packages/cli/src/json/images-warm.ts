// kelpie images warm --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count, phase } from "./parts.ts";

export const schema = z.object({
  template: z.string().describe("its key"),
  made: z.string().optional().describe("why it was made just now; absent where it was there"),
  allocatedBytes: count.describe("what it takes of the disk"),
  phases: z.array(phase).describe("of the start that tried it"),
});

export type ImagesWarmJson = JsonOf<typeof schema>;
