// What commands print under --json, held against their schemas by a validator that is not ours.

import assert from "node:assert/strict";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import { z } from "zod";
import { commands } from "../commands/index.ts";
import { schema as errorSchema } from "../json/error.ts";

/** Checks outputs, and knows which commands' it has seen. */
export interface OutputChecker {
  /** Every command that prints JSON: "images list". */
  readonly paths: readonly string[];
  readonly seen: ReadonlySet<string>;
  /** Holds what the command `path` printed against its schema, and returns it; a field that is not described is a fault. */
  check(path: string, stdout: string): unknown;
  checkError(stdout: string): unknown;
}

export async function outputChecker(): Promise<OutputChecker> {
  const ajv = new Ajv2020({ strict: true, allErrors: true });
  formats.default(ajv);
  const shapes = new Map<string, { readonly validate: ValidateFunction; readonly isLines: boolean }>();
  for (const entry of commands) {
    const command = await entry.load();
    const shape = await command.json?.();
    if (shape === undefined) continue;
    const validate = ajv.compile(z.toJSONSchema(shape.schema));
    shapes.set(entry.path.join(" "), { validate, isLines: shape.isLines === true });
  }
  const validateError = ajv.compile(z.toJSONSchema(errorSchema));
  const seen = new Set<string>();
  return {
    paths: [...shapes.keys()],
    seen,
    check(path, stdout) {
      const shape = shapes.get(path);
      assert.ok(shape !== undefined, `${path} has no schema`);
      seen.add(path);
      const values = shape.isLines ? stdout.trimEnd().split("\n") : [stdout];
      return values.map((value) => hold(shape.validate, path, value)).at(-1);
    },
    checkError: (stdout) => hold(validateError, "an error", stdout),
  };
}

function hold(validate: ValidateFunction, what: string, text: string): unknown {
  const value: unknown = JSON.parse(text);
  const isValid = validate(value);
  assert.ok(isValid, `${what}: ${JSON.stringify(validate.errors, undefined, 2)}\n${text.slice(0, 4000)}`);
  return value;
}
