// Writes tar archives: ustar, with pax headers only where ustar cannot say it; the same bytes for the same entries.

import { KelpieError } from "@kelpie/platform";
import type { ByteSink } from "../byte-sink.ts";
import type { TreeEntry } from "../tree/file-tree.ts";

/** A tree entry with what only a tar can say of it. */
export interface TarSourceEntry extends TreeEntry {
  /** Further pax records ("APK-TOOLS.checksum.SHA1"). */
  readonly paxRecords?: ReadonlyMap<string, string>;
}

export interface WriteTarOptions {
  /** Replaces every entry's time, in seconds since the epoch. */
  readonly mtimeSeconds?: number;
  /** Names for numeric owners, for formats that want them; none by default. */
  readonly userName?: (uid: number) => string;
  readonly groupName?: (gid: number) => string;
  /** Whether the two zero blocks at the end are written (default true); an apk's control part has none. */
  readonly endOfArchive?: boolean;
}

/**
 * Writes `entries` in their order. A file node that is met again becomes a hard link to its first name. The root is left out.
 *
 * @throws KelpieError `unsupported` for a socket, `internal` if a content is not as long as it said.
 */
export function writeTar(
  _entries: Iterable<TarSourceEntry>,
  _sink: ByteSink,
  _options: WriteTarOptions = {},
): Promise<void> {
  throw new KelpieError("internal", "Writing tar is not written yet");
}
