// kelpie images lock --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { architecture } from "./parts.ts";

export const schema = z.object({
  lock: z.string().describe("path of the file"),
  architectures: z.array(architecture).describe("all that the lock has"),
});

export type ImagesLockJson = JsonOf<typeof schema>;
