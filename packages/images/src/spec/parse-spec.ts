// A spec's text to its value.

import { parseCheckedYaml } from "./checked-yaml.ts";
import { type SpecFile, specSchema } from "./schema.ts";

/** Largest spec that is read. */
export const maxSpecBytes = 4 << 20;

/**
 * Parses and validates a spec.
 *
 * @param where the file's name for messages.
 * @throws KelpieError `invalid-input` with file:line:column, what is allowed and the nearest thing that exists.
 */
export function parseSpec(text: string, where: string): SpecFile {
  return parseCheckedYaml(specSchema, text, "spec", where);
}
