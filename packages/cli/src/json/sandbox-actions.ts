// kelpie sandbox kill, pause, resume, rm, stop and sync --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { kelpieError } from "./error.ts";

export const schema = z.object({
  sandboxes: z.array(
    z.object({
      id: z.string(),
      name: z.string().optional().describe("absent where its record is damaged"),
      reports: z
        .array(z.string())
        .optional()
        .describe("of stop and sync: what was brought home, and what was not"),
      error: kelpieError.optional().describe("why it could not be done; the exit code is that of the first"),
    }),
  ),
});

export type SandboxActionsJson = JsonOf<typeof schema>;
