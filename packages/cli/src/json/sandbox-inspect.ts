// kelpie sandbox inspect --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { sandbox } from "./sandbox.ts";

export const schema = z.object({
  sandboxes: z
    .array(
      sandbox.extend({
        attachments: z.array(z.string()).describe("directories and network, and how they get there"),
      }),
    )
    .describe("in the order in which they were named"),
});

export type SandboxInspectJson = JsonOf<typeof schema>;
