// kelpie images compat --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

export const schema = z.object({
  kind: z.enum(["same", "compatible", "incompatible"]),
  warning: z.string().optional().describe("of what is compatible, and yet not the same"),
  reason: z.string().optional().describe("why it is incompatible"),
});

export type ImagesCompatJson = JsonOf<typeof schema>;
