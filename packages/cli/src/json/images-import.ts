// kelpie images import --json

import { z } from "zod";
import type { JsonOf } from "./json-of.ts";
import { storedImage } from "./parts.ts";

export const schema = z.object(storedImage.shape);

export type ImagesImportJson = JsonOf<typeof schema>;
