// kelpie images init --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

export const schema = z.object({
  spec: z.string().describe("path of the file"),
  name: z.string(),
  distribution: z.enum(["alpine", "debian"]),
});

export type ImagesInitJson = JsonOf<typeof schema>;
