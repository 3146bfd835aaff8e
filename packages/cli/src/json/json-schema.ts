// What commands print under --json, as JSON Schema draft 2020-12.

import { z } from "zod";
import type { CommandEntry } from "../command.ts";
import { schema as errorSchema } from "./error.ts";

/** JSON Schema; of its words, those that occur here. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** What a command prints. */
export interface DescribedOutput {
  /** "images list". */
  readonly path: string;
  readonly summary: string;
  /** Whether it prints any number of such values, each a line of its own. */
  readonly isLines: boolean;
  readonly schema: JsonSchema;
}

/** Every command that prints JSON, with its schema. */
export async function describedOutputs(entries: readonly CommandEntry[]): Promise<DescribedOutput[]> {
  const all = entries.map(async (entry): Promise<DescribedOutput[]> => {
    const { path, summary } = entry;
    const command = await entry.load();
    const shape = await command.json?.();
    if (shape === undefined) return [];
    return [{ path: path.join(" "), summary, isLines: shape.isLines === true, schema: open(shape.schema) }];
  });
  return (await Promise.all(all)).flat();
}

/** What any of them prints where it fails. */
export function errorJsonSchema(): JsonSchema {
  return open(errorSchema);
}

/** Fields may be added, so what a reader does not know is no fault. */
function open(schema: z.ZodType): JsonSchema {
  return z.toJSONSchema(schema, {
    override: ({ jsonSchema }) => {
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
    },
  });
}
