// Zstandard (RFC 8878), frame by frame. Node's decompressor stops silently after the first frame of its input, so the frames
// are walked here, by their block headers, and each is given to a decompressor of its own.

import { KelpieError } from "@kelpie/platform";
import { constants, createZstdDecompress } from "node:zlib";
import type { StreamReader } from "../stream/stream-reader.ts";
import { through } from "../stream/through.ts";

const frameMagic = 0xfd2fb528;
const skippableMagic = 0x184d2a50;
const reservedBlock = 3;
const rleBlock = 1;
const maxBlockBytes = 128 * 1024;
const pieceBytes = 128 * 1024;

/** The content of all frames up to the stream's end. A window larger than `maxWindowBytes` is refused. */
export async function* unzstd(
  reader: StreamReader,
  maxWindowBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const windowLogMax = Math.max(10, Math.min(31, Math.floor(Math.log2(maxWindowBytes))));
  do {
    const where = reader.at();
    const magicBytes = await reader.readExactly(4, "A zstd frame");
    const magic = littleEndian(magicBytes);
    if ((magic & 0xfffffff0) >>> 0 === skippableMagic) {
      await reader.skip(littleEndian(await reader.readExactly(4, "A zstd frame")), "A skippable zstd frame");
      continue;
    }
    if (magic !== frameMagic) {
      throw new KelpieError("malformed", "Cannot read a zstd frame", {
        expected: "magic 0xfd2fb528",
        found: `0x${magic.toString(16).padStart(8, "0")}`,
        where,
      });
    }
    const decompressor = createZstdDecompress({
      chunkSize: 256 * 1024,
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    });
    yield* through(
      frameBytes(reader, magicBytes.slice()),
      decompressor,
      "Cannot decompress a zstd frame",
      where,
    );
  } while (!(await reader.isAtEnd()));
}

/** The bytes of one frame, its magic number given, up to its exact end. */
async function* frameBytes(
  reader: StreamReader,
  magic: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield magic;
  // Copies, since a transform may hold a chunk beyond the next read.
  const read = async (sizeBytes: number): Promise<Uint8Array> =>
    (await reader.readExactly(sizeBytes, "A zstd frame")).slice();

  const descriptor = await read(1);
  yield descriptor;
  const [flags = 0] = descriptor;
  const isSingleSegment = (flags & 0x20) !== 0;
  const contentSizeBytes = [isSingleSegment ? 1 : 0, 2, 4, 8][flags >> 6] ?? 0;
  const dictionaryBytes = [0, 1, 2, 4][flags & 3] ?? 0;
  yield await read((isSingleSegment ? 0 : 1) + dictionaryBytes + contentSizeBytes);

  let isLast = false;
  while (!isLast) {
    const where = reader.at();
    const header = await read(3);
    yield header;
    const fields = littleEndian(header);
    isLast = (fields & 1) === 1;
    const type = (fields >> 1) & 3;
    const sizeBytes = fields >> 3;
    if (type === reservedBlock || (type !== rleBlock && sizeBytes > maxBlockBytes)) {
      throw new KelpieError("malformed", "Cannot read a zstd block", {
        expected: `a known type and at most ${maxBlockBytes} bytes`,
        found: `type ${type} with ${sizeBytes} bytes`,
        where,
      });
    }
    let left = type === rleBlock ? 1 : sizeBytes;
    while (left > 0) {
      const piece = await read(Math.min(left, pieceBytes));
      left -= piece.length;
      yield piece;
    }
  }
  if ((flags & 0x04) !== 0) yield await read(4);
}

function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}
