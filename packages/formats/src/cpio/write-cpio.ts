// Writes cpio archives in the "newc" format, as the kernel's initramfs takes it; the same bytes for the same entries.

import { KelpieError } from "@kelpie/platform";
import type { ByteSink } from "../byte-sink.ts";
import type { TreeEntry } from "../tree/file-tree.ts";

export interface WriteCpioOptions {
  /** Replaces every entry's time, in seconds since the epoch. */
  readonly mtimeSeconds?: number;
}

/**
 * Writes `entries` in their order, the trailer, and zeros up to a multiple of 512. The root is left out. Inode numbers
 * count from 1; the content of a file with several names stands at its last.
 *
 * @throws KelpieError `limit-exceeded` for a file of 4 GiB or more, or a number that 32 bits do not hold.
 */
export function writeCpio(
  _entries: Iterable<TreeEntry>,
  _sink: ByteSink,
  _options: WriteCpioOptions = {},
): Promise<void> {
  throw new KelpieError("internal", "Writing cpio is not written yet");
}
