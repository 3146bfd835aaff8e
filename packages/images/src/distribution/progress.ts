// What a transfer says while it goes on.

import type { LockHolder } from "@kelpie/platform";

/** Where a transfer stands. */
export interface TransferProgress {
  /** Of the image's content, uncompressed: what is where it belongs, and all of it. */
  readonly doneBytes: number;
  readonly totalBytes: number;
  /** What really went over the network, compressed. */
  readonly networkBytes: number;
  /** The process that does it, where we wait for another. */
  readonly by?: LockHolder;
}

export type OnTransfer = (progress: TransferProgress) => void;

/** Adds up and reports. */
export class TransferMeter {
  readonly #report: OnTransfer | undefined;
  readonly #totalBytes: number;
  #doneBytes = 0;
  #networkBytes = 0;

  constructor(totalBytes: number, report: OnTransfer | undefined) {
    this.#totalBytes = totalBytes;
    this.#report = report;
  }

  get networkBytes(): number {
    return this.#networkBytes;
  }

  /** For callbacks of transfers. */
  readonly network = (bytes: number): void => {
    this.#networkBytes += bytes;
    this.#tell();
  };

  done(bytes: number): void {
    this.#doneBytes += bytes;
    this.#tell();
  }

  #tell(): void {
    this.#report?.({
      doneBytes: this.#doneBytes,
      totalBytes: this.#totalBytes,
      networkBytes: this.#networkBytes,
    });
  }
}
