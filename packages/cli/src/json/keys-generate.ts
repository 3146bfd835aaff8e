// kelpie keys generate --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { key } from "./parts.ts";

export const schema = key.extend({ pem: z.string().describe("the public key") });

export type KeysGenerateJson = JsonOf<typeof schema>;
