// kelpie images build --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { pushed, storedImage } from "./parts.ts";

export const schema = z.object({
  images: z.array(storedImage).describe("in the order in which they were built"),
  pushed: pushed.optional().describe("with --push"),
});

export type ImagesBuildJson = JsonOf<typeof schema>;
