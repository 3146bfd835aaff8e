// Small text files that may not be there.

import { KelpieError } from "./errors.ts";
import type { Files } from "./files.ts";

/** The file as UTF-8 text, or undefined where there is none. @throws KelpieError `limit-exceeded` beyond `maxBytes`. */
export async function readTextIfPresent(
  files: Pick<Files, "readFile">,
  path: string,
  maxBytes: number,
): Promise<string | undefined> {
  try {
    return new TextDecoder().decode(await files.readFile(path, maxBytes));
  } catch (error) {
    if (KelpieError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}
