// kelpie images repair --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count } from "./parts.ts";

export const schema = z.object({
  images: count.describe("how many are there now"),
  broken: z.array(z.object({ directory: z.string(), reason: z.string() })).describe("what stays, unusable"),
  removed: z.array(z.string()).describe("names of leftovers that were swept"),
  freedBytes: count,
});

export type ImagesRepairJson = JsonOf<typeof schema>;
