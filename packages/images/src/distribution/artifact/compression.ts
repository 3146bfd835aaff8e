// The compression of parts: zstd, in memory. To compress takes long and happens away from the main thread; to decompress
// takes less than to hand the bytes over to another.

import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompressSync } from "node:zlib";
import { describeError, KelpieError } from "@kelpie/platform";

const level = 9;
const compress = promisify(zstdCompress);

/** The same bytes for the same content and the same build of Node. */
export async function compressPart(bytes: Uint8Array): Promise<Uint8Array> {
  return await compress(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 },
  });
}

/** @throws KelpieError `malformed` where it is damaged or is not `sizeBytes` long. */
export function decompressPart(bytes: Uint8Array, sizeBytes: number, where: string): Uint8Array {
  let content: Uint8Array;
  try {
    content = zstdDecompressSync(bytes, {
      maxOutputLength: sizeBytes,
      // With one byte more than there is, the output is one buffer, and no second one is made to see that it has ended.
      chunkSize: Math.max(64, sizeBytes + 1),
    });
  } catch (cause) {
    throw new KelpieError("malformed", "Cannot decompress a part of an image", {
      expected: `${sizeBytes} bytes of zstd content`,
      found: describeError(cause),
      where,
      cause,
    });
  }
  if (content.length === sizeBytes) return content;
  throw new KelpieError("malformed", "A part of an image has the wrong size", {
    expected: `${sizeBytes} bytes`,
    found: `${content.length}`,
    where,
  });
}
