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

/** The keys that a spec may have at a path; those of every alternative where there are several. */
export function keysAllowedAt(path: readonly PropertyKey[]): readonly string[] {
  let schemas: readonly unknown[] = [specJsonSchema()].flatMap(alternatives);
  for (const step of path) schemas = schemas.flatMap((schema) => below(schema, step)).flatMap(alternatives);
  return [...new Set(schemas.flatMap((schema) => Object.keys(record(record(schema)["properties"]))))];
}

function alternatives(schema: unknown): readonly unknown[] {
  const { anyOf, oneOf } = record(schema);
  const choices = [anyOf, oneOf].filter((choice) => Array.isArray(choice)).flat();
  return choices.length === 0 ? [schema] : choices.flatMap(alternatives);
}

function below(schema: unknown, step: PropertyKey): readonly unknown[] {
  const { properties, additionalProperties, items } = record(schema);
  const next = typeof step === "number" ? items : (record(properties)[String(step)] ?? additionalProperties);
  return next === undefined ? [] : [next];
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
