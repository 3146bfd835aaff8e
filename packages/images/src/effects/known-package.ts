// What is written down of a package whose install scripts a person has read.

import type { Effect } from "./effect.ts";

/** A package whose scripts were read by a person. */
export interface KnownPackage {
  /** Commands that its scripts run beside the harmless ones; another one makes them unknown again. `>` is a file written. */
  readonly runs: readonly string[];
  /** What matters of what they do on a first installation. */
  readonly effects: readonly Effect[];
}
