// kelpie sandbox list --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { sandbox } from "./sandbox.ts";

export const schema = z.object({ sandboxes: z.array(sandbox) });

export type SandboxListJson = JsonOf<typeof schema>;
