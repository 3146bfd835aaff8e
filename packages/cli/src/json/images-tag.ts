// kelpie images tag --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { version } from "./parts.ts";

export const schema = z.object({
  tag: z.string(),
  version: version.optional().describe("what it names now; absent with --remove"),
});

export type ImagesTagJson = JsonOf<typeof schema>;
