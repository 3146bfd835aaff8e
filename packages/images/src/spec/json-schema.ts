// The spec's form as a JSON Schema, for editors: images/spec.schema.json.

import { z } from "zod";
import { specSchema } from "./schema.ts";

/** JSON Schema draft 2020-12 of what a spec file may hold. */
export function specJsonSchema(): Record<string, unknown> {
  return {
    title: "Kelpie image spec",
    ...z.toJSONSchema(specSchema, { io: "input", unrepresentable: "any" }),
  };
}
