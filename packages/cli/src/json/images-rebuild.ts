// kelpie images rebuild --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { architecture, changes, version } from "./parts.ts";

export const schema = z.object({
  version,
  architecture,
  reproduced: z.boolean().describe("whether every byte is the same"),
  files: changes.describe("by digest"),
  metadata: changes,
  packages: changes,
});

export type ImagesRebuildJson = JsonOf<typeof schema>;
