// The "legacy" LZ4 frame that the kernel's build makes (lz4_Frame_format.md, "Legacy frame"): blocks of 8 MiB, each for itself.

import { KelpieError } from "@kelpie/platform";
import type { StreamReader } from "../stream/stream-reader.ts";

const magic = 0x184c2102;
const maxBlockBytes = 8 * 1024 * 1024;
const maxCompressedBlockBytes = maxBlockBytes + Math.ceil(maxBlockBytes / 255) + 16;

/** The content of all blocks up to the stream's end. */
export async function* unlz4Legacy(reader: StreamReader): AsyncGenerator<Uint8Array, void, undefined> {
  const output = new Uint8Array(maxBlockBytes);
  let isFirst = true;
  do {
    const where = reader.at();
    const size = await reader.readExactly(4, "An lz4 block");
    const sizeBytes = new DataView(size.buffer, size.byteOffset, 4).getUint32(0, true);
    if (sizeBytes === magic) {
      // Frames follow one another without a mark of their end.
      isFirst = false;
      continue;
    }
    if (isFirst || sizeBytes > maxCompressedBlockBytes) {
      throw malformed(
        isFirst ? "the magic number 0x184c2102" : `a block of at most ${maxCompressedBlockBytes} bytes`,
        `0x${sizeBytes.toString(16)}`,
        where,
      );
    }
    yield output.slice(0, decodeBlock(await reader.readExactly(sizeBytes, "An lz4 block"), output, where));
  } while (!(await reader.isAtEnd()));
}

/** Decodes one block (lz4_Block_format.md) into `output` and returns how many bytes it has. */
function decodeBlock(input: Uint8Array, output: Uint8Array, where: string): number {
  let from = 0;
  let to = 0;
  const length = (initial: number): number => {
    let total = initial;
    if (initial === 15) {
      let byte: number;
      do {
        byte = input[from] ?? 0;
        from += 1;
        total += byte;
      } while (byte === 255);
    }
    return total;
  };
  while (from < input.length) {
    const token = input[from] ?? 0;
    from += 1;
    const literals = length(token >> 4);
    if (from + literals > input.length || to + literals > output.length) {
      throw malformed(
        `literals within the block and ${output.length} bytes`,
        `${literals} more bytes`,
        where,
      );
    }
    output.set(input.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from === input.length) return to;

    const distance = (input[from] ?? 0) | ((input[from + 1] ?? 0) << 8);
    from += 2;
    const stop = to + 4 + length(token & 15);
    if (from > input.length || distance === 0 || distance > to || stop > output.length) {
      throw malformed(
        `a match within ${to} bytes behind and ${output.length} in all`,
        `distance ${distance} to ${stop}`,
        where,
      );
    }
    for (; to < stop; to += 1) output[to] = output[to - distance] ?? 0;
  }
  throw malformed("a block that ends with literals", "a match at the end", where);
}

function malformed(expected: string, found: string, where: string): KelpieError {
  return new KelpieError("malformed", "Cannot read an lz4 stream", { expected, found, where });
}
