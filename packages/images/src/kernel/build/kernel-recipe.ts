// What a kernel is configured with: Kelpie's fragments of a checkout, and a person's own behind them.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { type Architecture, type Files, KelpieError } from "@kelpie/platform";
import { type KernelOptions, maxConfigBytes, optionText, parseKernelConfig } from "./kernel-config.ts";

/** The options that a kernel must have in the end; all others are left out, as far as none of these needs them. */
export interface KernelRecipe {
  readonly options: KernelOptions;
  /** The options as a fragment, one a line, for the kernel's own tools. */
  readonly text: string;
  /** "sha256:…" of that text: comments and the order of files that say the same do not count. */
  readonly digest: string;
}

const maxFragments = 20;

/**
 * Reads `common.config` and `<architecture>.config` of `directory` (`images/kernel` of a checkout), then `further`, each of
 * which overrides what stands before it.
 *
 * @throws KelpieError `not-found`, `malformed` naming file and line, `limit-exceeded`.
 */
export async function readKernelRecipe(
  files: Pick<Files, "readFile">,
  directory: string,
  architecture: Architecture,
  further: readonly string[] = [],
): Promise<KernelRecipe> {
  const paths = [join(directory, "common.config"), join(directory, `${architecture}.config`), ...further];
  if (further.length > maxFragments) {
    throw new KelpieError("limit-exceeded", "A kernel has too many fragments of configuration", {
      expected: `at most ${maxFragments}`,
      found: `${further.length}`,
    });
  }
  const merged = new Map<string, string>();
  for (const path of paths) {
    const text = new TextDecoder().decode(await files.readFile(path, maxConfigBytes));
    for (const [name, value] of parseKernelConfig(text, path)) merged.set(name, value);
  }
  const options = new Map([...merged].sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = [...options].map(([name, value]) => `${optionText(name, value)}\n`).join("");
  return { options, text, digest: `sha256:${createHash("sha256").update(text).digest("hex")}` };
}
