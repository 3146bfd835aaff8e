// kelpie sandbox exec --detach --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

export const schema = z.object({
  process: z.string().describe("what `kelpie sandbox attach` takes"),
  sandbox: z.object({ id: z.string(), name: z.string() }),
});

export type SandboxExecJson = JsonOf<typeof schema>;
