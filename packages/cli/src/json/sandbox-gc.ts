// kelpie sandbox gc --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

export const schema = z.object({
  removed: z.boolean().describe("false with --dry-run: nothing was done"),
  sandboxes: z.array(
    z.object({
      id: z.string(),
      name: z.string().optional().describe("absent where its record is damaged"),
      directory: z.string(),
      reason: z.string(),
    }),
  ),
});

export type SandboxGcJson = JsonOf<typeof schema>;
