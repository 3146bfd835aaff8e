// The compression of parts: zstd, in memory, away from the main thread.

import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import { describeError, KelpieError } from "@kelpie/platform";

const level = 9;
const longestOutputBytes = 8 << 20;
const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** The same bytes for the same content and the same build of Node. */
export async function compressPart(bytes: Uint8Array): Promise<Uint8Array> {
  return await compress(bytes, {
    params: { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 0 },
  });
}

/** @throws KelpieError `malformed` where it is damaged or is not `sizeBytes` long. */
export async function decompressPart(
  bytes: Uint8Array,
  sizeBytes: number,
  where: string,
): Promise<Uint8Array> {
  let content: Uint8Array;
  try {
    content = await decompress(bytes, {
      maxOutputLength: sizeBytes,
      chunkSize: Math.max(64, Math.min(sizeBytes, longestOutputBytes)),
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
