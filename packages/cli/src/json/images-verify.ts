// kelpie images verify --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { kelpieError } from "./error.ts";
import { architecture, version } from "./parts.ts";

export const schema = z.object({
  images: z.array(
    z.object({
      version,
      architecture,
      files: z.array(
        z.object({
          file: z.string(),
          kind: z
            .enum(["intact", "damaged", "absent"])
            .describe("`absent`: a bill of materials or provenance that was not pulled"),
          reason: kelpieError.optional().describe("of what is damaged"),
        }),
      ),
    }),
  ),
});

export type ImagesVerifyJson = JsonOf<typeof schema>;
