// The index of a stream: the sizes of all its blocks once more (.xz file format 1.2.1, section 4). It is compared by digest, so
// that a stream of a million blocks takes no memory.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { StreamReader } from "../../stream/stream-reader.ts";
import { malformedXz } from "./malformed-xz.ts";
import { readVariableInteger } from "./variable-integer.ts";

const maxIntegerBytes = 9;

/** The sizes of blocks, in order. */
export class BlockRecords {
  readonly #hash = createHash("sha256");
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** `storedBytes` is the block with its header and check, without padding. */
  add(storedBytes: number, contentBytes: number): void {
    this.#hash.update(`${storedBytes} ${contentBytes}\n`);
    this.#count += 1;
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }
}

/** Reads the index behind its indicator byte, compares it with the blocks that were read, and returns its size. */
export async function skipIndex(reader: StreamReader, blocks: BlockRecords): Promise<number> {
  const start = reader.offset - 1;
  const where = reader.at(start);
  let checksum = crc32(Uint8Array.of(0));
  const integer = async (): Promise<number> => {
    const bytes: number[] = [];
    do {
      const [byte = 0] = await reader.readExactly(1, "An xz index");
      bytes.push(byte);
    } while ((bytes.at(-1) ?? 0) >= 0x80 && bytes.length < maxIntegerBytes);
    checksum = crc32(Uint8Array.from(bytes), checksum);
    return readVariableInteger(Uint8Array.from(bytes), 0, where).value;
  };
  const count = await integer();
  if (count !== blocks.count) throw malformedXz(`an index of ${blocks.count} blocks`, `${count}`, where);
  const stated = new BlockRecords();
  for (let left = count; left > 0; left -= 1) stated.add(await integer(), await integer());
  if (stated.digest() !== blocks.digest()) {
    throw malformedXz("an index with the sizes of the blocks", "other sizes", where);
  }
  const paddingBytes = -(reader.offset - start) & 3;
  await expectZeros(reader, paddingBytes, "xz index padding");
  checksum = crc32(new Uint8Array(paddingBytes), checksum);
  const trailer = await reader.readExactly(4, "An xz index");
  const statedChecksum = new DataView(trailer.buffer, trailer.byteOffset, 4).getUint32(0, true);
  if (statedChecksum !== checksum) throw malformedXz(`index CRC ${statedChecksum}`, `${checksum}`, where);
  return reader.offset - start;
}

/** Passes over `count` bytes that must be zero. */
export async function expectZeros(reader: StreamReader, count: number, what: string): Promise<void> {
  const where = reader.at();
  const bytes = await reader.readExactly(count, what);
  if (bytes.some((byte) => byte !== 0)) throw malformedXz(`${what} of zeros`, "other bytes", where);
}
