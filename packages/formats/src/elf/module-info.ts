// What a kernel module says of itself, in the .modinfo section of its ELF file.

import { KelpieError } from "@kelpie/platform";

/** The facts of a module that decide when it can be loaded, and in which order. */
export interface ModuleInfo {
  /** With "_" for "-", as the kernel compares names; undefined in a module of a kernel older than 4.13. */
  readonly name: string | undefined;
  /** Modules whose symbols it needs. */
  readonly depends: readonly string[];
  /** `softdep=pre: … post: …`: modules to load before and after, where they exist. */
  readonly softdeps: { readonly pre: readonly string[]; readonly post: readonly string[] };
  readonly aliases: readonly string[];
  /** The kernel release is its first word. */
  readonly vermagic: string | undefined;
  /** Every record, in order: key and value. */
  readonly records: readonly (readonly [key: string, value: string])[];
}

/**
 * Reads `.modinfo` of an uncompressed 64-bit little-endian module.
 *
 * @throws KelpieError `malformed`, `unsupported` (another class, byte order or ELF type).
 */
export function readModuleInfo(_bytes: Uint8Array, _where?: string): ModuleInfo {
  throw new KelpieError("internal", "Reading modules is not written yet");
}
