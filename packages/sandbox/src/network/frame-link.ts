// Ethernet frames on a byte stream, each after its length in four bytes (QEMU's `-netdev stream`).

import { once } from "node:events";
import type { Duplex } from "node:stream";
import { KelpieError } from "@kelpie/platform";

/** QEMU's own bound on a frame is 4 KiB above 64 KiB. */
const frameLimitBytes = (64 << 10) + 4096;
const lengthBytes = 4;
/** More than this on its way to a guest, and its connections wait. */
const congestedAtBytes = 1 << 20;

/** See the head of this file. */
export class FrameLink {
  readonly #stream: Duplex;

  constructor(stream: Duplex) {
    this.#stream = stream;
    // Without a listener an error event would end the process; the reading reports it.
    stream.on("error", () => undefined);
  }

  get isCongested(): boolean {
    return this.#stream.writableLength > congestedAtBytes || this.#stream.destroyed;
  }

  send(frame: Uint8Array): void {
    if (this.#stream.destroyed) return;
    const header = new Uint8Array(lengthBytes);
    new DataView(header.buffer).setUint32(0, frame.length);
    this.#stream.cork();
    this.#stream.write(header);
    this.#stream.write(frame);
    this.#stream.uncork();
  }

  /** Resolves when the guest has taken what was on its way, or is gone. */
  async drained(signal: AbortSignal): Promise<void> {
    if (!this.isCongested || this.#stream.destroyed) return;
    const over = new AbortController();
    const stop = AbortSignal.any([signal, over.signal]);
    try {
      await Promise.race([
        once(this.#stream, "drain", { signal: stop }),
        once(this.#stream, "close", { signal: stop }),
      ]);
    } finally {
      over.abort();
    }
  }

  onDrain(listener: () => void): void {
    this.#stream.on("drain", listener);
  }

  /** Frames as they come, until the link ends. `malformed` for a length that no frame has. */
  async *frames(): AsyncGenerator<Uint8Array> {
    let rest = new Uint8Array(0);
    const chunks: AsyncIterable<Uint8Array> = this.#stream;
    for await (const chunk of chunks) {
      // What is left over is less than a frame, so nothing is copied twice that is long.
      const bytes: Uint8Array = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      while (bytes.length - at >= lengthBytes) {
        const length = new DataView(bytes.buffer, bytes.byteOffset + at).getUint32(0);
        if (length > frameLimitBytes) {
          throw new KelpieError("malformed", "A frame of the guest's network is too long", {
            expected: `at most ${frameLimitBytes} bytes`,
            found: `${length}`,
          });
        }
        if (bytes.length - at - lengthBytes < length) break;
        // No Buffer, whose slices are no copies.
        yield new Uint8Array(bytes.buffer, bytes.byteOffset + at + lengthBytes, length);
        at += lengthBytes + length;
      }
      rest = Uint8Array.prototype.slice.call(bytes, at);
    }
  }

  close(): void {
    this.#stream.destroy();
  }
}
