// kelpie images push --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { pushed } from "./parts.ts";

export const schema = z.object(pushed.shape);

export type ImagesPushJson = JsonOf<typeof schema>;
