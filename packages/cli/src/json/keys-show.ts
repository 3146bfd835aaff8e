// kelpie keys show --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { key } from "./parts.ts";

export const schema = key.extend({
  hasPrivateKey: z.boolean().describe("whether it can sign"),
  pem: z.string().describe("the public key"),
});

export type KeysShowJson = JsonOf<typeof schema>;
