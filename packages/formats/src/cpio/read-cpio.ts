// Reads cpio archives in the "newc" and "crc" formats, from hostile hands.

import { KelpieError } from "@kelpie/platform";

/** One cpio header with its content. */
export interface CpioEntry {
  /** Normalised as by `normalizePath`. */
  readonly path: string;
  readonly kind: "file" | "symlink" | "directory" | "character-device" | "block-device" | "fifo" | "socket";
  readonly inode: number;
  /** Permission bits, 0o0000 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly linkCount: number;
  readonly mtimeSeconds: number;
  /** Of a device. */
  readonly major: number;
  readonly minor: number;
  /** A symlink's text, "" otherwise. */
  readonly linkTarget: string;
  /** Of the content. Of a file with several names only one entry has content. */
  readonly sizeBytes: number;
  /** Where the content begins in the uncompressed archive. */
  readonly contentOffset: number;
  /** The content; must be read, or left, before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface CpioLimits {
  /** Default 1,000,000. */
  readonly maxEntries?: number;
  /** Of one file's content. Default 4 GiB - 1. */
  readonly maxEntryBytes?: number;
}

/**
 * The entries of one uncompressed cpio archive up to its trailer; only zeros may follow.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsafe-path`.
 */
export function readCpio(
  _source: AsyncIterable<Uint8Array>,
  _options: { readonly limits?: CpioLimits; readonly where?: string } = {},
): AsyncIterable<CpioEntry> {
  throw new KelpieError("internal", "Reading cpio is not written yet");
}
