// Writes images/spec.schema.json from the code that validates specs.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { specJsonSchema } from "../packages/images/src/spec/json-schema.ts";

const path = join(import.meta.dirname, "../images/spec.schema.json");
await writeFile(path, `${JSON.stringify(specJsonSchema(), undefined, 2)}\n`);
