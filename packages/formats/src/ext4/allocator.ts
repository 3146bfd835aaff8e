// Gives out blocks from the front to the back, round the fixed parts.

import { type Extent } from "./extents.ts";
import { maxExtentBlocks } from "./constants.ts";
import type { Region } from "./geometry.ts";

/** Everything before the cursor is in use; past the end of the file system it goes on, for the caller to find out. */
export class Allocator {
  readonly #regions: readonly Region[];
  #nextRegion = 0;
  #cursor = 0;
  #allocated = 0;

  constructor(regions: readonly Region[]) {
    this.#regions = regions;
  }

  /** The block that comes next. */
  get cursor(): number {
    return this.#cursor;
  }

  /** How many blocks were given out. */
  get allocated(): number {
    return this.#allocated;
  }

  /** `count` blocks for a file's blocks from `logical` on, in as few pieces as there can be. */
  allocate(logical: number, count: number): Extent[] {
    const extents: Extent[] = [];
    let done = 0;
    while (done < count) {
      const region = this.#regions[this.#nextRegion];
      const room = region === undefined ? Infinity : region.start - this.#cursor;
      if (region !== undefined && room === 0) {
        this.#cursor = region.start + region.count;
        this.#nextRegion += 1;
        continue;
      }
      const take = Math.min(count - done, room, maxExtentBlocks);
      extents.push({ logical: logical + done, physical: this.#cursor, count: take });
      this.#cursor += take;
      done += take;
    }
    this.#allocated += count;
    return extents;
  }

  /** `count` single blocks. */
  allocateBlocks(count: number): number[] {
    return this.allocate(0, count).flatMap(({ physical, count: length }) =>
      Array.from({ length }, (_, index) => physical + index),
    );
  }
}
