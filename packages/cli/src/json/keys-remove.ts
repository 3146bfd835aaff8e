// kelpie keys remove --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

export const schema = z.object({ name: z.string().describe("of the key that is gone") });

export type KeysRemoveJson = JsonOf<typeof schema>;
