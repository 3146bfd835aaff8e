// The content of a file in an image, as a source that reads it when it is wanted.

import type { ByteRange, ByteSource } from "../../byte-source.ts";
import type { Extent } from "../extents.ts";
import type { Disk } from "./disk.ts";

const chunkBytes = 256 * 1024;

/** `sizeBytes` bytes that stand in `extents`; all between them is zero. */
export function extentSource(
  disk: Disk,
  blockBytes: number,
  extents: readonly Extent[],
  sizeBytes: number,
): ByteSource {
  return new ExtentSource(disk, blockBytes, extents, sizeBytes);
}

class ExtentSource implements ByteSource {
  readonly sizeBytes: number;
  readonly dataRanges?: readonly ByteRange[];
  readonly #disk: Disk;
  readonly #blockBytes: number;
  readonly #extents: readonly Extent[];

  constructor(disk: Disk, blockBytes: number, extents: readonly Extent[], sizeBytes: number) {
    this.sizeBytes = sizeBytes;
    this.#disk = disk;
    this.#blockBytes = blockBytes;
    this.#extents = extents;
    const ranges = this.#ranges();
    const [only] = ranges;
    const isWhole = only === undefined ? sizeBytes === 0 : only.start === 0 && only.end === sizeBytes;
    if (!isWhole) this.dataRanges = ranges;
  }

  async *open(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < this.sizeBytes; at += chunkBytes) {
      const chunk = new Uint8Array(Math.min(chunkBytes, this.sizeBytes - at));
      await this.readInto(chunk, at);
      yield chunk;
    }
  }

  async readInto(into: Uint8Array, position: number): Promise<void> {
    into.fill(0);
    const end = position + into.length;
    for (let index = this.#firstAfter(position); index < this.#extents.length; index += 1) {
      const extent = this.#extents[index];
      if (extent === undefined) break;
      const start = extent.logical * this.#blockBytes;
      if (start >= end) break;
      const from = Math.max(start, position);
      const to = Math.min(start + extent.count * this.#blockBytes, end);
      const place = extent.physical * this.#blockBytes + from - start;
      await this.#disk.readInto(
        into.subarray(from - position, to - position),
        place,
        "the content of a file",
      );
    }
  }

  /** The index of the first extent that ends after `position`. */
  #firstAfter(position: number): number {
    let low = 0;
    let high = this.#extents.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const extent = this.#extents[middle];
      if (extent !== undefined && (extent.logical + extent.count) * this.#blockBytes <= position)
        low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Neighbouring extents make one range; what lies behind the end of the file makes none. */
  #ranges(): ByteRange[] {
    const ranges: { start: number; end: number }[] = [];
    for (const { logical, count } of this.#extents) {
      const start = logical * this.#blockBytes;
      const end = Math.min(start + count * this.#blockBytes, this.sizeBytes);
      const last = ranges.at(-1);
      if (end <= start) break;
      if (last?.end === start) last.end = end;
      else ranges.push({ start, end });
    }
    return ranges;
  }
}
