// Numbers at fixed places of a kernel image; what lies behind its end reads as undefined.

/** A little-endian view over the bytes of an image. */
export class ImageView {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u16(offset: number): number | undefined {
    return offset + 2 <= this.bytes.length ? this.#view.getUint16(offset, true) : undefined;
  }

  u32(offset: number): number | undefined {
    return offset + 4 <= this.bytes.length ? this.#view.getUint32(offset, true) : undefined;
  }

  u64(offset: number): bigint | undefined {
    return offset + 8 <= this.bytes.length ? this.#view.getBigUint64(offset, true) : undefined;
  }

  /** The NUL-terminated text at `offset`, at most `maxBytes` of it. */
  text(offset: number, maxBytes: number): string {
    const bytes = this.bytes.subarray(offset, offset + maxBytes);
    const end = bytes.indexOf(0);
    return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("latin1");
  }
}
