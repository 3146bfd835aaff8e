// Reads tar archives: ustar, pax and GNU long names, from hostile hands.

import { KelpieError } from "@kelpie/platform";
import type { TarEntry } from "./tar-entry.ts";

/** What an archive may hold; more is `limit-exceeded`. */
export interface TarLimits {
  /** Default 1,000,000. */
  readonly maxEntries?: number;
  /** Of one file's content. Default 16 GiB. */
  readonly maxEntryBytes?: number;
  /** Of one extended header, pax or GNU. Default 1 MiB. */
  readonly maxHeaderBytes?: number;
}

export interface ReadTarOptions {
  readonly limits?: TarLimits;
  /** What to do with a second entry of the same path: give it too (the last one wins, as for tar), or `malformed`. Default `last-wins`. */
  readonly duplicates?: "last-wins" | "refuse";
  /** For messages: which archive this is. */
  readonly where?: string;
}

/**
 * The entries of an uncompressed tar archive, in order. A leading "/" or "./" is dropped.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsafe-path` (".." or NUL in a path or hard link), `unsupported`
 * (sparse and multi-volume entries).
 */
export function readTar(
  _source: AsyncIterable<Uint8Array>,
  _options: ReadTarOptions = {},
): AsyncIterable<TarEntry> {
  throw new KelpieError("internal", "Reading tar is not written yet");
}
