// Writes docs/json.md and docs/errors.md from the code that they describe.

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { commands } from "../packages/cli/src/commands/index.ts";
import { describedOutputs, errorJsonSchema } from "../packages/cli/src/json/json-schema.ts";
import { errorReference, jsonReference } from "../packages/cli/src/json/reference.ts";

const docs = join(import.meta.dirname, "../docs");
await writeFile(join(docs, "json.md"), jsonReference(await describedOutputs(commands), errorJsonSchema()));
await writeFile(join(docs, "errors.md"), errorReference());
