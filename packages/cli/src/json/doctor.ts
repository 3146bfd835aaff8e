// kelpie doctor --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

export const schema = z.object({
  findings: z.array(
    z.object({
      subject: z.string(),
      verdict: z
        .enum(["ok", "limited", "broken"])
        .describe("`limited`: something works less well or not at all; `broken`: no sandbox can run"),
      found: z.string().describe("what is here, or what is not"),
      cost: z.string().optional().describe("what one cannot do, or does more slowly, because of it"),
      fix: z.string().optional().describe("a command, or a sentence, that changes it"),
    }),
  ),
});

export type DoctorJson = JsonOf<typeof schema>;
