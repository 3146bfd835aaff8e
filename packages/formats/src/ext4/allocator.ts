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
    for (let done = 0; done < count; ) {
      const taken = this.#take(count - done);
      extents.push({ logical: logical + done, physical: this.#cursor - taken, count: taken });
      done += taken;
    }
    return extents;
  }

  /** As {@link allocate}, and says only in how many pieces. */
  pass(count: number): number {
    let pieces = 0;
    for (let done = 0; done < count; pieces += 1) done += this.#take(count - done);
    return pieces;
  }

  /** `count` single blocks. */
  allocateBlocks(count: number): number[] {
    return this.allocate(0, count).flatMap(({ physical, count: length }) =>
      Array.from({ length }, (_, index) => physical + index),
    );
  }

  /** Moves over the next piece of at most `count` blocks, and returns its length. */
  #take(count: number): number {
    let region = this.#regions[this.#nextRegion];
    while (region?.start === this.#cursor) {
      this.#cursor += region.count;
      this.#nextRegion += 1;
      region = this.#regions[this.#nextRegion];
    }
    const taken = Math.min(count, maxExtentBlocks, (region?.start ?? Infinity) - this.#cursor);
    this.#cursor += taken;
    this.#allocated += taken;
    return taken;
  }
}
