// Cuts an image's files into the parts that travel. The root file system is cut where its content says so, so that two
// versions of an image share most parts wherever things have moved; the other files travel whole while they are small.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { Files } from "@kelpie/platform";
import type { ImageFileName } from "../../metadata/image-metadata.ts";

/** No part is longer, whoever made it: a part is held in memory. */
export const maxPartBytes = 64 << 20;

/** The unit in which content of the root file system moves about: a block of ext4. */
const blockBytes = 4096;
/**
 * A part ends behind a block whose checksum has these bits clear: one in 64, so parts of about 300 KiB. Twice as long they make
 * an image 5 % smaller, and what a change of one package moves up to a half larger.
 */
const cutMask = 63;
const shortestBytes = 64 << 10;
const longestBytes = 4 << 20;
/** Read at once; a part is a view of it. */
const windowBytes = 16 << 20;

/** A piece of a file with the digest of its content, in hexadecimal. */
export interface CutPart {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly sha256: string;
}

/** The file's parts in order. The same content is cut at the same places on every machine. */
export async function* cutFile(
  files: Pick<Files, "open">,
  path: string,
  file: ImageFileName,
  signal: AbortSignal | undefined,
): AsyncGenerator<CutPart, void, undefined> {
  const longest = file === "rootfs.ext4" ? longestBytes : maxPartBytes;
  await using handle = await files.open(path, "read");
  const { sizeBytes } = await handle.stat();
  let rest = new Uint8Array(0);
  for (let offset = 0; offset < sizeBytes; ) {
    signal?.throwIfAborted();
    const window = new Uint8Array(Math.min(Math.max(windowBytes, longest), sizeBytes - offset));
    window.set(rest);
    const got = await handle.read(window.subarray(rest.length), offset + rest.length);
    const filled = window.subarray(0, rest.length + got);
    const isEnd = filled.length < window.length || offset + filled.length === sizeBytes;
    let start = 0;
    while (start < filled.length && (isEnd || filled.length - start >= longest)) {
      const ahead = filled.subarray(start, start + longest);
      const bytes = file === "rootfs.ext4" ? ahead.subarray(0, firstCut(ahead)) : ahead;
      yield { offset: offset + start, bytes, sha256: createHash("sha256").update(bytes).digest("hex") };
      start += bytes.length;
    }
    offset += start;
    rest = filled.subarray(start);
    // A file that became shorter meanwhile.
    if (filled.length < window.length) return;
  }
}

/** How long the part is that begins at the beginning of `window`. */
export function firstCut(window: Uint8Array): number {
  for (let end = shortestBytes; end <= window.length; end += blockBytes) {
    if ((crc32(window.subarray(end - blockBytes, end)) & cutMask) === 0) return end;
  }
  return window.length;
}
