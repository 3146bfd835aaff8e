// JSON that came from elsewhere, to a value of the shape that is expected.

import { KelpieError } from "@kelpie/platform";
import type { z } from "zod";

/**
 * Parses and validates.
 *
 * @param summary what is wrong where it is of another shape: "A manifest is not as expected".
 * @param where a path or URL for messages.
 * @throws KelpieError `malformed` naming the field.
 */
export function parseJsonAs<T>(schema: z.ZodType<T>, bytes: Uint8Array, summary: string, where: string): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new KelpieError("malformed", summary, { expected: "JSON", where, cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new KelpieError("malformed", summary, {
    where,
    found:
      issue === undefined
        ? "an unknown problem"
        : `${issue.path.join(".") || "the document"}: ${issue.message}`,
  });
}
