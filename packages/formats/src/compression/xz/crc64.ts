// CRC-64/XZ (ECMA-182 reflected), in two 32-bit halves: eight bytes a step ("slicing by 8").

const polynomialHigh = 0xc96c5795 | 0;
const polynomialLow = 0xd7870f42 | 0;

const [tableHigh, tableLow] = makeTables();

/** Table k, at k * 256, carries a byte over k further bytes of zeros. */
function makeTables(): readonly [high: Int32Array, low: Int32Array] {
  const high = new Int32Array(8 * 256);
  const low = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte += 1) {
    let h = 0;
    let l = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      const carry = l & 1;
      l = (l >>> 1) | (h << 31);
      h >>>= 1;
      if (carry === 1) {
        h ^= polynomialHigh;
        l ^= polynomialLow;
      }
    }
    high[byte] = h;
    low[byte] = l;
  }
  for (let index = 256; index < 8 * 256; index += 1) {
    const h = high[index - 256] ?? 0;
    const l = low[index - 256] ?? 0;
    high[index] = (h >>> 8) ^ (high[l & 0xff] ?? 0);
    low[index] = ((l >>> 8) | (h << 24)) ^ (low[l & 0xff] ?? 0);
  }
  return [high, low];
}

/** A running CRC-64. */
export class Crc64 {
  #high = -1;
  #low = -1;

  update(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const aligned = bytes.length & ~7;
    let h = this.#high;
    let l = this.#low;
    for (let at = 0; at < aligned; at += 8) {
      const x = l ^ view.getInt32(at, true);
      const y = h ^ view.getInt32(at + 4, true);
      const i0 = 1792 + (x & 0xff);
      const i1 = 1536 + ((x >>> 8) & 0xff);
      const i2 = 1280 + ((x >>> 16) & 0xff);
      const i3 = 1024 + (x >>> 24);
      const i4 = 768 + (y & 0xff);
      const i5 = 512 + ((y >>> 8) & 0xff);
      const i6 = 256 + ((y >>> 16) & 0xff);
      const i7 = y >>> 24;
      h = at8(tableHigh, i0, i1, i2, i3, i4, i5, i6, i7);
      l = at8(tableLow, i0, i1, i2, i3, i4, i5, i6, i7);
    }
    for (let at = aligned; at < bytes.length; at += 1) {
      const index = (l ^ (bytes[at] ?? 0)) & 0xff;
      l = ((l >>> 8) | (h << 24)) ^ (tableLow[index] ?? 0);
      h = (h >>> 8) ^ (tableHigh[index] ?? 0);
    }
    this.#high = h;
    this.#low = l;
  }

  /** The checksum as eight bytes, little-endian, as it stands in a file. */
  digest(): Uint8Array {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setInt32(0, ~this.#low, true);
    bytes.setInt32(4, ~this.#high, true);
    return new Uint8Array(bytes.buffer);
  }
}

function at8(
  table: Int32Array,
  i0: number,
  i1: number,
  i2: number,
  i3: number,
  i4: number,
  i5: number,
  i6: number,
  i7: number,
): number {
  return (
    (table[i0] ?? 0) ^
    (table[i1] ?? 0) ^
    (table[i2] ?? 0) ^
    (table[i3] ?? 0) ^
    (table[i4] ?? 0) ^
    (table[i5] ?? 0) ^
    (table[i6] ?? 0) ^
    (table[i7] ?? 0)
  );
}
