// kelpie images vendor --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { architecture, count } from "./parts.ts";

export const schema = z.object({
  places: z.array(z.string()).describe("what `images build --vendored` takes"),
  vendored: z.array(z.object({ architecture, files: count, sizeBytes: count })),
});

export type ImagesVendorJson = JsonOf<typeof schema>;
