// Reads ar archives as Debian's packages are made of (deb(5)): plain names, no symbol table.

import { KelpieError } from "@kelpie/platform";

/** One member of an ar archive. */
export interface ArMember {
  /** Without the padding and the "/" that some writers put after it. */
  readonly name: string;
  readonly mtimeSeconds: number;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
  readonly sizeBytes: number;
  /** Where the content begins in the archive. */
  readonly contentOffset: number;
  /** The content; must be read, or left, before the next member is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

export interface ArLimits {
  /** Default 64. */
  readonly maxMembers?: number;
  /** Of one member. Default 4 GiB. */
  readonly maxMemberBytes?: number;
}

/**
 * The members of an ar archive, in order.
 *
 * @throws KelpieError `malformed`, `limit-exceeded`, `unsafe-path` (a name with "/" in it), `unsupported` (GNU and BSD long names).
 */
export function readAr(
  _source: AsyncIterable<Uint8Array>,
  _options: { readonly limits?: ArLimits; readonly where?: string } = {},
): AsyncIterable<ArMember> {
  throw new KelpieError("internal", "Reading ar is not written yet");
}
