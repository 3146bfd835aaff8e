// Content into a file with its zeros left out: a file system with free space stays small on disk.

import type { ByteSink } from "@kelpie/formats";

const blockBytes = 4096;
const zeroBlock = Buffer.alloc(blockBytes);

/** Writes `bytes`, whose runs of whole zero blocks become holes. */
export async function writeSparse(sink: ByteSink, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length; ) {
    const isHole = isZeroBlock(bytes, start);
    let end = start + blockBytes;
    while (end < bytes.length && isZeroBlock(bytes, end) === isHole) end += blockBytes;
    end = Math.min(end, bytes.length);
    if (isHole) await sink.skip(end - start);
    else await sink.write(bytes.subarray(start, end));
    start = end;
  }
}

function isZeroBlock(bytes: Uint8Array, start: number): boolean {
  const block = bytes.subarray(start, start + blockBytes);
  return zeroBlock.compare(block, 0, block.length, 0, block.length) === 0;
}
