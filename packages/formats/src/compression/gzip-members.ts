// The members of a gzip stream (RFC 1952) one by one, with the exact bytes that each was compressed to.

import { KelpieError } from "@kelpie/platform";
import type { DecompressionLimits } from "./decompress.ts";

/** One member of a gzip stream. Its content must be read, or left, before the next member is asked for. */
export interface GzipMember {
  /** 0 for the first. */
  readonly index: number;
  /** Where its first header byte stands in the compressed stream. */
  readonly offset: number;
  /** The decompressed bytes, verified against the member's CRC and length when the stream ends. */
  readonly content: AsyncIterable<Uint8Array>;
  /** Compressed bytes, header and trailer included; undefined until the content has been read to its end. */
  readonly compressedBytes: number | undefined;
}

export interface GzipMembersOptions extends DecompressionLimits {
  /** More members than this is `limit-exceeded`. Default 4096. */
  readonly maxMembers?: number;
  /**
   * Called with every compressed byte, in order, cut at the members' boundaries: for a digest over a member as it was sent.
   * A call's bytes are valid only during the call.
   */
  readonly onCompressed?: (memberIndex: number, bytes: Uint8Array) => void;
}

/**
 * Splits a gzip stream into its members. What is left unread of a member is read and verified before the next one comes.
 * `maxOutputBytes` holds for all members together.
 *
 * @throws KelpieError `malformed` for anything that is not a sequence of whole members, `limit-exceeded`.
 */
export function gzipMembers(
  _source: AsyncIterable<Uint8Array>,
  _options: GzipMembersOptions,
): AsyncIterable<GzipMember> {
  throw new KelpieError("internal", "Splitting gzip members is not written yet");
}
