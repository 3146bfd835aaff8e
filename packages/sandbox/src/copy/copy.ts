// What copies into a guest and out of it have in common.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { GuestFiles, GuestOwner } from "../agent/guest-files.ts";

export const maxEntries = 1_000_000;
export const defaultMaxBytes = 64 * 2 ** 30;

/** How to copy. */
export interface CopyOptions {
  readonly platform: Platform;
  readonly files: GuestFiles;
  readonly signal: AbortSignal;
  /** Of what a guest may send for one source; default 64 GiB. */
  readonly maxBytes?: number;
  /** Whose everything is in the guest; default: root's what is the caller's, and for root as it is on the host. */
  readonly owner?: GuestOwner;
  /** Told how many bytes have gone over. */
  readonly onProgress?: (doneBytes: number) => void;
}

/** What was copied: lines say what was left out. */
export interface Copied {
  readonly bytes: number;
  readonly skipped: readonly string[];
}

/** Counts what passes. */
export class Meter {
  bytes = 0;
  readonly #onProgress: CopyOptions["onProgress"];

  constructor(onProgress: CopyOptions["onProgress"]) {
    this.#onProgress = onProgress;
  }

  /** `limit-exceeded` beyond `maxBytes`. */
  async *count(
    chunks: AsyncIterable<Uint8Array>,
    maxBytes = Infinity,
  ): AsyncGenerator<Uint8Array, undefined> {
    for await (const chunk of chunks) {
      this.bytes += chunk.length;
      if (this.bytes > maxBytes) throw tooMuch(maxBytes);
      this.#onProgress?.(this.bytes);
      yield chunk;
    }
  }
}

/** More than the caller allowed the guest to send. */
export function tooMuch(maxBytes: number): KelpieError {
  return new KelpieError("limit-exceeded", "The guest sends too much", {
    expected: `at most ${maxBytes} bytes`,
    help: "Where that is meant, allow more: --max-size (maxBytes).",
  });
}
