// gzip (RFC 1952) as we write it: the same bytes for the same input, whenever and wherever.

import { KelpieError } from "@kelpie/platform";

/** Compresses to one gzip member with no name, time 0 and OS byte 255 (unknown). `level` 1 to 9, default 9. */
export function gzip(_source: AsyncIterable<Uint8Array>, _level?: number): AsyncIterable<Uint8Array> {
  throw new KelpieError("internal", "gzip is not written yet");
}

/** As {@link gzip}, of bytes in memory. */
export function gzipBytes(_bytes: Uint8Array, _level?: number): Uint8Array {
  throw new KelpieError("internal", "gzip is not written yet");
}
