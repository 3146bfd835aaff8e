// kelpie sandbox stats --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count } from "./parts.ts";

export const isLines = true;

export const schema = z.object({
  sandboxes: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      health: z
        .object({
          uptimeMs: count,
          load: z.number().describe("the run queue's average length over one minute"),
          memoryTotal: count.describe("bytes"),
          memoryAvailable: count.describe("bytes"),
          diskTotal: count.describe("bytes of the root file system"),
          diskAvailable: count.describe("bytes"),
          processes: count,
          outOfMemoryKills: count,
          agentRestarts: count,
          sessions: count.describe("connections to its agent"),
        })
        .optional()
        .describe("as the guest says; absent where it does not answer"),
      error: z.string().optional().describe("why it does not answer"),
    }),
  ),
});

export type SandboxStatsJson = JsonOf<typeof schema>;
