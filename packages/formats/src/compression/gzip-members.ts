// The members of a gzip stream (RFC 1952) one by one, with the exact bytes that each was compressed to.

import { KelpieError } from "@kelpie/platform";
import { crc32 } from "node:zlib";
import { StreamReader } from "../stream/stream-reader.ts";
import { skipGzipHeader } from "./gzip-header.ts";
import { inflateRaw } from "./inflate.ts";
import { type DecompressionLimits, OutputMeter } from "./output-meter.ts";

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
  /** For messages: which stream this is. */
  readonly where?: string;
}

const defaultMaxMembers = 4096;

/**
 * Splits a gzip stream into its members. What is left unread of a member is read and verified before the next one comes.
 * `maxOutputBytes` holds for all members together.
 *
 * @throws KelpieError `malformed` for anything that is not a sequence of whole members, `limit-exceeded`.
 */
export async function* gzipMembers(
  source: AsyncIterable<Uint8Array>,
  options: GzipMembersOptions,
): AsyncGenerator<GzipMember, void, undefined> {
  const reader = new StreamReader(source, options.where);
  const meter = new OutputMeter(options, () => reader.offset);
  const maxMembers = options.maxMembers ?? defaultMaxMembers;
  try {
    let index = 0;
    do {
      if (index >= maxMembers) {
        throw new KelpieError("limit-exceeded", "A gzip stream has too many members", {
          expected: `at most ${maxMembers}`,
          where: reader.at(),
        });
      }
      const member = new Member(reader, meter, index, options.onCompressed);
      yield member;
      await member.finish();
      index += 1;
    } while (!(await reader.isAtEnd()));
  } finally {
    await reader.close();
  }
}

class Member implements GzipMember {
  readonly index: number;
  readonly offset: number;
  readonly content: AsyncIterable<Uint8Array>;
  readonly #reader: StreamReader;
  readonly #output: AsyncGenerator<Uint8Array, void, undefined>;
  #compressedBytes: number | undefined;

  constructor(
    reader: StreamReader,
    meter: OutputMeter,
    index: number,
    onCompressed: GzipMembersOptions["onCompressed"],
  ) {
    this.index = index;
    this.offset = reader.offset;
    this.#reader = reader;
    this.#output = this.#decompress(meter, (bytes) => onCompressed?.(index, bytes));
    // No `return`: a consumer that stops early leaves the rest to `finish`, which still verifies it.
    this.content = { [Symbol.asyncIterator]: () => ({ next: () => this.#output.next() }) };
  }

  get compressedBytes(): number | undefined {
    return this.#compressedBytes;
  }

  async finish(): Promise<void> {
    while ((await this.#output.next()).done !== true);
  }

  async *#decompress(
    meter: OutputMeter,
    onCompressed: (bytes: Uint8Array) => void,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    await skipGzipHeader(this.#reader, onCompressed);
    let checksum = 0;
    let sizeBytes = 0;
    for await (const chunk of inflateRaw(this.#reader, onCompressed)) {
      meter.add(chunk.length);
      checksum = crc32(chunk, checksum);
      sizeBytes += chunk.length;
      yield chunk;
    }
    const trailerOffset = this.#reader.offset;
    const trailer = await this.#reader.readExactly(8, "A gzip trailer");
    onCompressed(trailer);
    const fields = new DataView(trailer.buffer, trailer.byteOffset, 8);
    const stated = `CRC ${fields.getUint32(0, true)} and length ${fields.getUint32(4, true)}`;
    const actual = `CRC ${checksum} and length ${sizeBytes % 2 ** 32}`;
    if (stated !== actual) {
      throw new KelpieError("malformed", "The content of a gzip member is not what its trailer says", {
        expected: stated,
        found: actual,
        where: this.#reader.at(trailerOffset),
      });
    }
    this.#compressedBytes = this.#reader.offset - this.offset;
  }
}
