// The compression of parts: zstd, in memory, away from the main thread, which has the network and the hashing to do.

import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { describeError, KelpieError } from "@kelpie/platform";

const level = 9;
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);
/** What Node gives out of a pool that others share is smaller: a part's content is always a buffer of its own. */
const leastBufferBytes = 64 << 10;

/** The same bytes for the same content and the same build of Node. */
export async function compressPart(bytes: Uint8Array): Promise<Uint8Array> {
  return await compress(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 },
  });
}

/**
 * The content of a part, in a buffer of its own.
 *
 * @throws KelpieError `malformed` where it is damaged or is not `sizeBytes` long.
 */
export async function decompressPart(
  bytes: Uint8Array,
  sizeBytes: number,
  where: string,
): Promise<Uint8Array> {
  let content: Uint8Array;
  try {
    content = await decompress(bytes, {
      maxOutputLength: sizeBytes,
      // With one byte more than there is, the output is one buffer, and no second one is made to see that it has ended.
      chunkSize: Math.max(leastBufferBytes, sizeBytes + 1),
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
