// kelpie sandbox create --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";

export const schema = z.object({ id: z.string(), name: z.string() });

export type SandboxCreateJson = JsonOf<typeof schema>;
