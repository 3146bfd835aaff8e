// Content that stays where it is until it is read.

/** Bytes of a known length that can be read any number of times. */
export interface ByteSource {
  readonly sizeBytes: number;
  /** The content from its beginning, in chunks of any length. */
  open(signal?: AbortSignal): AsyncIterable<Uint8Array>;
  /** The whole content where it is in memory already: saves small files a stream. */
  readonly bytes?: Uint8Array;
  /** Fills `into` with the content from byte `position` on: saves many small files a stream each. */
  readInto?(into: Uint8Array, position: number): Promise<void>;
  /** Where anything but zeros may stand, ascending and apart; absent means everywhere. The rest can become holes. */
  readonly dataRanges?: readonly ByteRange[];
}

/** A source that can be read from any place on. */
export interface SeekableSource extends ByteSource {
  readInto(into: Uint8Array, position: number): Promise<void>;
}

/** The bytes from `start` up to, and without, `end`. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

/** A source over bytes in memory. */
export function bytesSource(bytes: Uint8Array): ByteSource {
  return {
    sizeBytes: bytes.length,
    bytes,
    // eslint-disable-next-line @typescript-eslint/require-await -- the interface is asynchronous, memory is not
    async *open() {
      if (bytes.length > 0) yield bytes;
    },
  };
}

/** A source over the UTF-8 bytes of a text. */
export function textSource(text: string): ByteSource {
  return bytesSource(new TextEncoder().encode(text));
}
