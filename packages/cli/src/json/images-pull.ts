// kelpie images pull --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { count, digest, storedImage } from "./parts.ts";

export const schema = storedImage.extend({
  digest: digest.describe("of the image's manifest"),
  wasThere: z.boolean().describe("whether nothing had to be fetched"),
  networkBytes: count,
});

export type ImagesPullJson = JsonOf<typeof schema>;
