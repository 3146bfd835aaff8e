// A host file of which not everything is on the disk, as content that knows where it has data.

import { type ByteRange, fileSource, isZero, type SeekableSource } from "@kelpie/formats";
import type { FileStatus, Platform } from "@kelpie/platform";

/** In smaller files holes are not looked for. */
export const leastSparseBytes = 64 << 10;
const pieceBytes = 64 << 10;
/** With more pieces a map takes more than it saves, and no reader need take it. */
const maxRanges = 10_000;

/**
 * The content of the file at `path`, with its data ranges where it has holes worth telling. They are found by reading:
 * Node.js cannot ask for them, and holes are read at the speed of memory.
 */
export async function sparseFile(
  files: Platform["files"],
  path: string,
  { sizeBytes, allocatedBytes }: FileStatus,
  signal: AbortSignal,
): Promise<SeekableSource> {
  const content = fileSource(files, path, 0, sizeBytes);
  if (sizeBytes < leastSparseBytes || allocatedBytes >= sizeBytes) return content;
  const ranges: ByteRange[] = [];
  await using handle = await files.open(path, "read");
  const piece = new Uint8Array(pieceBytes);
  for (let start = 0; start < sizeBytes; start += pieceBytes) {
    signal.throwIfAborted();
    const part = piece.subarray(0, Math.min(pieceBytes, sizeBytes - start));
    await handle.read(part, start);
    if (isZero(part)) continue;
    const end = start + part.length;
    if (ranges.at(-1)?.end === start) ranges.splice(-1, 1, { start: ranges.at(-1)?.start ?? start, end });
    else ranges.push({ start, end });
    if (ranges.length > maxRanges) return content;
  }
  return {
    sizeBytes,
    dataRanges: ranges,
    open: (signal) => content.open(signal),
    readInto: (into, position) => content.readInto(into, position),
  };
}
