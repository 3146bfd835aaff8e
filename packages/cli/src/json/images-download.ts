// kelpie images download --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { storedImage } from "./parts.ts";

export const schema = storedImage.extend({
  source: z.string().optional().describe("where it came from; absent where it was there already"),
});

export type ImagesDownloadJson = JsonOf<typeof schema>;
