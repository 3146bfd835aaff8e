// kelpie keys list --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { key } from "./parts.ts";

export const schema = z.object({
  keys: z.array(key.extend({ hasPrivateKey: z.boolean().describe("whether it can sign") })),
});

export type KeysListJson = JsonOf<typeof schema>;
