// The programs that run inside the VM: where they are and what they were made from.

import type { Architecture, Platform } from "@kelpie/platform";
import { KelpieError } from "@kelpie/platform";

/** What {@link guestBinaries} needs. */
export interface GuestBinariesOptions {
  readonly platform: Platform;
  /** KELPIE_HOME: tool-chain, crates and finished binaries are kept under its `cache/`. */
  readonly home: string;
  /** The Cargo workspace: `guest/` of a checkout. */
  readonly sourceDirectory: string;
  readonly architecture: Architecture;
  /** One line of text a step, for a person. */
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Two static executables for one architecture. */
export interface GuestBinaries {
  /** Path of kelpie-init. */
  readonly init: string;
  /** Path of kelpie-guest. */
  readonly agent: string;
  /** "sha256:…" of each. */
  readonly digests: { readonly init: string; readonly agent: string };
  /** The compiler, as it names itself. */
  readonly compiler: string;
}

/** Builds the guest's programs, or takes them from the cache. */
export function guestBinaries(options: GuestBinariesOptions): Promise<GuestBinaries> {
  return Promise.reject(
    new KelpieError("unsupported", `The guest for ${options.architecture} cannot be built yet`),
  );
}
