// Randomness from the operating system.

import { randomBytes } from "node:crypto";
import type { Random } from "../random.ts";

export const realRandom: Random = { bytes: (count) => new Uint8Array(randomBytes(count)) };
