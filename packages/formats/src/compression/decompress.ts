// Decompression of a stream, by its magic number or by a format that the caller insists on.

import { KelpieError } from "@kelpie/platform";
import type { CompressionFormat } from "./format.ts";

/** What a decompressor may produce. */
export interface DecompressionLimits {
  /** More output than this is `limit-exceeded`. */
  readonly maxOutputBytes: number;
  /**
   * Output divided by input, looked at once the output exceeds 16 MiB. Default 1100, which gzip cannot reach; raise it for
   * content with holes.
   */
  readonly maxRatio?: number;
  /** More memory than this for a window or dictionary is `limit-exceeded`. Default 128 MiB. */
  readonly maxWindowBytes?: number;
}

export interface DecompressOptions extends DecompressionLimits {
  /** `auto` (the default) goes by the magic number and lets an uncompressed stream through. */
  readonly format?: CompressionFormat | "auto";
}

/**
 * The decompressed bytes of `source`, in chunks.
 *
 * @throws KelpieError `malformed` for a damaged or truncated stream, `limit-exceeded` for one that is too large.
 */
export function decompress(
  _source: AsyncIterable<Uint8Array>,
  _options: DecompressOptions,
): AsyncIterable<Uint8Array> {
  throw new KelpieError("internal", "Decompression is not written yet");
}
