// kelpie keys import --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { key } from "./parts.ts";

export const schema = key.extend({ hasPrivateKey: z.boolean().describe("whether it can sign") });

export type KeysImportJson = JsonOf<typeof schema>;
