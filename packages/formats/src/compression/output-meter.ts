// Stops a decompressor that produces more than it may.

import { KelpieError } from "@kelpie/platform";

/** What a decompressor may produce. */
export interface DecompressionLimits {
  /** More output than this is `limit-exceeded`. */
  readonly maxOutputBytes: number;
  /**
   * Output divided by input, looked at once the output exceeds 16 MiB. Default 1100, which gzip cannot reach; raise it for
   * content with holes.
   */
  readonly maxRatio?: number;
  /** More memory than this for a window or dictionary is `limit-exceeded`. Default 128 MiB. */
  readonly maxWindowBytes?: number;
}

/** Below this much output a ratio says nothing: a small file of zeros compresses a thousandfold. */
const ratioFreeBytes = 16 * 1024 * 1024;
const defaultMaxRatio = 1100;

/** Counts output against limits; `inputBytes` tells how much input has been taken so far. */
export class OutputMeter {
  readonly #limits: DecompressionLimits;
  readonly #inputBytes: () => number;
  #outputBytes = 0;

  constructor(limits: DecompressionLimits, inputBytes: () => number) {
    this.#limits = limits;
    this.#inputBytes = inputBytes;
  }

  /** Counts `sizeBytes` more of output; `limit-exceeded` where that is too much. */
  add(sizeBytes: number): void {
    this.#outputBytes += sizeBytes;
    if (this.#outputBytes > this.#limits.maxOutputBytes) {
      throw new KelpieError("limit-exceeded", "A compressed stream holds too much", {
        expected: `at most ${this.#limits.maxOutputBytes} bytes`,
        found: "more",
      });
    }
    const maxRatio = this.#limits.maxRatio ?? defaultMaxRatio;
    if (this.#outputBytes > ratioFreeBytes && this.#outputBytes > maxRatio * this.#inputBytes()) {
      throw new KelpieError("limit-exceeded", "A compressed stream expands too much", {
        expected: `at most ${maxRatio} times its size`,
        found: `${this.#outputBytes} bytes from ${this.#inputBytes()}`,
      });
    }
  }
}
