// kelpie kernel build --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { architecture, count } from "./parts.ts";

export const schema = z.object({
  kernels: z.array(
    z.object({
      architecture,
      directory: z.string().describe("of the cache, where its files are"),
      release: z.string().describe("what `uname -r` prints"),
      compiler: z.string(),
      sizeBytes: z.record(z.string(), count).describe("by file"),
      seconds: z.number().describe("that compiling took, when it was compiled"),
    }),
  ),
});

export type KernelBuildJson = JsonOf<typeof schema>;
