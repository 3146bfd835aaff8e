// LZMA2: a sequence of chunks over one dictionary. Follows the .xz file format 1.2.1, section 5.3.1, and the chunk layout of
// XZ Embedded.

import type { StreamReader } from "../../stream/stream-reader.ts";
import { LzmaDecoder } from "./lzma-decoder.ts";
import { malformedXz } from "./malformed-xz.ts";

const maxChunkOutputBytes = 1 << 21;
const maxSpareBytes = 1 << 24;
const firstHistoryBytes = 1 << 16;
/** LZMA looks at the low four bits of a position: a move keeps them. */
const positionAlignment = 16;

const what = "An LZMA2 chunk";

/** The decoded bytes up to the end marker. Each piece is the consumer's to keep. */
export async function* lzma2(
  reader: StreamReader,
  dictionaryBytes: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const decoder = new LzmaDecoder();
  const history = new History(dictionaryBytes);
  let needsDictionaryReset = true;
  let needsProperties = true;

  for (;;) {
    const where = reader.at();
    const [control = 0] = await reader.readExactly(1, what);
    if (control === 0) return;
    const isLzma = control >= 0x80;
    const reset = isLzma ? (control >> 5) & 3 : 0;
    if (control === 1 || reset === 3) {
      history.reset();
      needsDictionaryReset = false;
      needsProperties = true;
    } else if (needsDictionaryReset || (!isLzma && control !== 2)) {
      throw malformedXz(
        "a chunk that resets the dictionary, or a known one",
        `0x${control.toString(16)}`,
        where,
      );
    }
    const [sizeHigh = 0, sizeLow = 0] = await reader.readExactly(2, what);
    const sizeBytes = (isLzma ? (control & 0x1f) << 16 : 0) + (sizeHigh << 8) + sizeLow + 1;

    if (!isLzma) {
      const start = history.makeRoom(sizeBytes);
      history.bytes.set(await reader.readExactly(sizeBytes, what), start);
      yield history.bytes.slice(start, history.end);
      continue;
    }
    const [inputHigh = 0, inputLow = 0] = await reader.readExactly(2, what);
    if (reset >= 2) {
      const [properties = 0] = await reader.readExactly(1, what);
      decoder.setProperties(properties);
      needsProperties = false;
    } else if (needsProperties) {
      throw malformedXz("a chunk that sets properties", `0x${control.toString(16)}`, where);
    } else if (reset === 1) {
      decoder.reset();
    }
    const input = await reader.readExactly((inputHigh << 8) + inputLow + 1, what);
    const start = history.makeRoom(sizeBytes);
    decoder.decode(input, history.bytes, start, history.end, dictionaryBytes);
    yield history.bytes.slice(start, history.end);
  }
}

/** The output so far, as far back as a match may reach. It grows as it is needed: most streams are far below their bound. */
class History {
  #bytes = new Uint8Array(firstHistoryBytes);
  readonly #dictionaryBytes: number;
  readonly #maxBytes: number;
  #end = 0;

  constructor(dictionaryBytes: number) {
    this.#dictionaryBytes = dictionaryBytes;
    const spareBytes = Math.min(Math.max(dictionaryBytes, maxChunkOutputBytes), maxSpareBytes);
    this.#maxBytes = dictionaryBytes + spareBytes + positionAlignment;
  }

  /** Replaced by `makeRoom`. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes;
  }

  get end(): number {
    return this.#end;
  }

  reset(): void {
    this.#end = 0;
  }

  /** Makes room for `sizeBytes` more and returns where they go; what lies further back than the dictionary may be dropped. */
  makeRoom(sizeBytes: number): number {
    if (this.#end + sizeBytes > this.#maxBytes) {
      const dropped = (this.#end - this.#dictionaryBytes) & -positionAlignment;
      this.#bytes.copyWithin(0, dropped, this.#end);
      this.#end -= dropped;
    }
    const needed = this.#end + sizeBytes;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(this.#maxBytes, Math.max(needed, 2 * this.#bytes.length)));
      grown.set(this.#bytes.subarray(0, this.#end));
      this.#bytes = grown;
    }
    const start = this.#end;
    this.#end += sizeBytes;
    return start;
  }
}
