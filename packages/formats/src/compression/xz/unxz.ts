// The .xz container: streams of blocks with an index behind them (The .xz File Format 1.2.1). Every checksum, size and padding
// byte that it states is verified.

import { KelpieError } from "@kelpie/platform";
import { crc32 } from "node:zlib";
import type { StreamReader } from "../../stream/stream-reader.ts";
import { type BlockHeader, readBlockHeader } from "./block-header.ts";
import { unfilter } from "./branch-filters.ts";
import { makeCheck } from "./check.ts";
import { lzma2 } from "./lzma2.ts";
import { malformedXz } from "./malformed-xz.ts";
import { BlockRecords, expectZeros, skipIndex } from "./stream-index.ts";

const headerMagic = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00];
const footerMagic = 0x595a;
/** Of a stream's header, and of its footer too. */
const headerBytes = 12;
const indexIndicator = 0;
const paddingChunkBytes = 4096;

/** The content of all streams up to the end. A dictionary larger than `maxDictionaryBytes` is refused. */
export async function* unxz(
  reader: StreamReader,
  maxDictionaryBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  do {
    yield* oneStream(reader, maxDictionaryBytes);
    await skipStreamPadding(reader);
  } while (!(await reader.isAtEnd()));
}

async function* oneStream(
  reader: StreamReader,
  maxDictionaryBytes: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const flags = await readStreamHeader(reader);
  const records = new BlockRecords();
  for (;;) {
    const start = reader.offset;
    const [sizeByte = 0] = await reader.readExactly(1, "An xz block");
    if (sizeByte === indexIndicator) break;
    const header = new Uint8Array((sizeByte + 1) * 4);
    header[0] = sizeByte;
    header.set(await reader.readExactly(header.length - 1, "An xz block header"), 1);
    const where = reader.at(start);
    const block = readBlockHeader(header, where);
    if (block.dictionaryBytes > maxDictionaryBytes) {
      throw new KelpieError("limit-exceeded", "An xz block needs too large a dictionary", {
        expected: `at most ${maxDictionaryBytes} bytes`,
        found: `${block.dictionaryBytes}`,
        where,
      });
    }
    const sizes = yield* blockContent(reader, block, flags, where);
    records.add(header.length + sizes.stored, sizes.content);
  }
  const indexBytes = await skipIndex(reader, records);
  await checkFooter(reader, flags, indexBytes);
}

/** Yields a block's content, verifies what stands behind it, and returns its sizes: as stored without padding, and decoded. */
async function* blockContent(
  reader: StreamReader,
  header: BlockHeader,
  checkType: number,
  where: string,
): AsyncGenerator<Uint8Array, { readonly stored: number; readonly content: number }, undefined> {
  const start = reader.offset;
  const check = makeCheck(checkType);
  let content: AsyncIterable<Uint8Array> = lzma2(reader, header.dictionaryBytes);
  for (const { filter, startOffset } of header.filters) content = unfilter(content, filter, startOffset);
  let contentBytes = 0;
  for await (const chunk of content) {
    check.update(chunk);
    contentBytes += chunk.length;
    yield chunk;
  }
  const compressedBytes = reader.offset - start;
  if ((header.compressedBytes ?? compressedBytes) !== compressedBytes) {
    throw malformedXz(
      `a block of ${header.compressedBytes ?? 0} compressed bytes`,
      `${compressedBytes}`,
      where,
    );
  }
  if ((header.uncompressedBytes ?? contentBytes) !== contentBytes) {
    throw malformedXz(`a block of ${header.uncompressedBytes ?? 0} bytes`, `${contentBytes}`, where);
  }
  await expectZeros(reader, -compressedBytes & 3, "xz block padding");
  const digest = Buffer.from(check.digest());
  const stated = Buffer.from(await reader.readExactly(digest.length, "An xz block's check"));
  if (!digest.equals(stated)) {
    throw malformedXz(`a block with check ${stated.toString("hex")}`, digest.toString("hex"), where);
  }
  return { stored: compressedBytes + digest.length, content: contentBytes };
}

/** Reads the header of a stream and returns the type of its checks. */
async function readStreamHeader(reader: StreamReader): Promise<number> {
  const where = reader.at();
  const header = await reader.readExactly(headerBytes, "An xz stream header");
  if (headerMagic.some((byte, index) => header[index] !== byte)) {
    throw malformedXz("the magic number of xz", Buffer.from(header.subarray(0, 6)).toString("hex"), where);
  }
  const view = new DataView(header.buffer, header.byteOffset, headerBytes);
  const flags = view.getUint16(6, false);
  const checksum = crc32(header.subarray(6, 8));
  if (view.getUint32(8, true) !== checksum) {
    throw malformedXz(`stream header CRC ${view.getUint32(8, true)}`, `${checksum}`, where);
  }
  if (flags > 0x0f) throw malformedXz("no reserved stream flags", `0x${flags.toString(16)}`, where);
  return flags;
}

async function checkFooter(reader: StreamReader, flags: number, indexBytes: number): Promise<void> {
  const where = reader.at();
  const footer = await reader.readExactly(headerBytes, "An xz stream footer");
  const view = new DataView(footer.buffer, footer.byteOffset, headerBytes);
  const stated = {
    checksum: view.getUint32(0, true),
    indexBytes: (view.getUint32(4, true) + 1) * 4,
    flags: view.getUint16(8, false),
    magic: view.getUint16(10, false),
  };
  const expected = { checksum: crc32(footer.subarray(4, 10)), indexBytes, flags, magic: footerMagic };
  if (JSON.stringify(stated) !== JSON.stringify(expected)) {
    throw malformedXz(`a footer of ${JSON.stringify(expected)}`, JSON.stringify(stated), where);
  }
}

/** Streams are padded with zeros to a multiple of four bytes. */
async function skipStreamPadding(reader: StreamReader): Promise<void> {
  const start = reader.offset;
  for (;;) {
    const bytes = await reader.readSome(paddingChunkBytes);
    if (bytes === undefined) break;
    const zeros = bytes.findIndex((byte) => byte !== 0);
    if (zeros < 0) continue;
    reader.giveBack(bytes.length - zeros);
    break;
  }
  if ((reader.offset - start) % 4 !== 0) {
    throw malformedXz(
      "stream padding of a multiple of 4 bytes",
      `${reader.offset - start}`,
      reader.at(start),
    );
  }
}
