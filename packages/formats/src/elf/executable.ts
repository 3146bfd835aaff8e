// What an executable needs to run: its machine, and whether it stands alone.

import { type Architecture, KelpieError } from "@kelpie/platform";

export interface ExecutableInfo {
  readonly architecture: Architecture;
  /** The dynamic loader that it asks for; undefined for a static executable. */
  readonly interpreter: string | undefined;
  /** The libraries that it asks for, in order. */
  readonly needed: readonly string[];
  /** Neither loader nor libraries. */
  readonly isStatic: boolean;
}

/**
 * Reads the program headers of a 64-bit little-endian executable or shared object.
 *
 * @throws KelpieError `malformed`, `unsupported` (another class, byte order, machine or ELF type).
 */
export function readExecutable(_bytes: Uint8Array, _where?: string): ExecutableInfo {
  throw new KelpieError("internal", "Reading executables is not written yet");
}
