// kelpie sandbox cp --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count } from "./parts.ts";

export const schema = z.object({
  bytes: count,
  skipped: z.array(z.string()).describe("what was left out, and why"),
});

export type SandboxCpJson = JsonOf<typeof schema>;
