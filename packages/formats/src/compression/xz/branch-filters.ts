// The filters for machine code: branch targets, made absolute by the compressor, become relative again. Follows the decoders
// of XZ Utils (liblzma/simple) in what they do to the bytes.

/**
 * Undoes a filter on `bytes` in place and returns how many bytes from the front are final; the rest must be given again
 * with what follows. `position` is where `bytes` begins in the block's content.
 */
export type BranchFilter = (bytes: Uint8Array, position: number) => number;

const maskAllowed = [true, true, true, false, true, false, false, false] as const;
const maskBitNumber = [0, 1, 2, 2, 3, 3, 3, 3] as const;

/** x86: the 32-bit operand of CALL (E8) and JMP (E9). Its decisions depend on the opcodes just before. */
export function makeX86Filter(): BranchFilter {
  let previousMask = 0;
  return (bytes, position) => {
    if (bytes.length <= 4) return 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const limit = bytes.length - 4;
    let previous = -1;
    let at = 0;
    let mask = previousMask;
    for (; at < limit; at += 1) {
      if (((bytes[at] ?? 0) & 0xfe) !== 0xe8) continue;
      const distance = at - previous;
      if (distance > 3) {
        mask = 0;
      } else {
        mask = (mask << (distance - 1)) & 7;
        if (mask !== 0) {
          const suspect = bytes[at + 4 - (maskBitNumber[mask] ?? 0)] ?? 0;
          if (maskAllowed[mask] !== true || isExtremeByte(suspect)) {
            previous = at;
            mask = (mask << 1) | 1;
            continue;
          }
        }
      }
      previous = at;
      if (!isExtremeByte(bytes[at + 4] ?? 0)) {
        mask = (mask << 1) | 1;
        continue;
      }
      view.setInt32(at + 1, relativeX86(view.getInt32(at + 1, true), position + at + 5, mask), true);
      at += 4;
    }
    const sincePrevious = at - previous;
    previousMask = sincePrevious > 3 ? 0 : (mask << (sincePrevious - 1)) & 0x7f;
    return at;
  };
}

function relativeX86(operand: number, nextInstruction: number, mask: number): number {
  let source = operand;
  for (;;) {
    const target = (source - nextInstruction) | 0;
    if (mask === 0) return signExtend25(target);
    const shift = (maskBitNumber[mask] ?? 0) * 8;
    if (!isExtremeByte((target >>> (24 - shift)) & 0xff)) return signExtend25(target);
    source = target ^ ((1 << (32 - shift)) - 1);
  }
}

/** The top byte becomes 00 or FF by bit 24. */
function signExtend25(value: number): number {
  return (value << 7) >> 7;
}

function isExtremeByte(byte: number): boolean {
  return byte === 0 || byte === 0xff;
}

/** arm64: the operands of BL, and of ADRP within 512 MiB. */
export function makeArm64Filter(): BranchFilter {
  return (bytes, position) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const end = bytes.length & ~3;
    for (let at = 0; at < end; at += 4) {
      const instruction = view.getUint32(at, true);
      const pc = (position + at) >>> 0;
      if (instruction >>> 26 === 0x25) {
        view.setUint32(at, (0x94000000 | ((instruction - (pc >>> 2)) & 0x03ffffff)) >>> 0, true);
      } else if ((instruction & 0x9f000000) >>> 0 === 0x90000000) {
        const source = ((instruction >>> 29) & 3) | ((instruction >>> 3) & 0x001ffffc);
        if (((source + 0x00020000) & 0x001c0000) !== 0) continue;
        const target = (source - (pc >>> 12)) | 0;
        const rest = instruction & 0x9000001f;
        const sign = -(target & 0x00020000) & 0x00e00000;
        view.setUint32(at, (rest | ((target & 3) << 29) | ((target & 0x0003fffc) << 3) | sign) >>> 0, true);
      }
    }
    return end;
  };
}

/** The content of a block with `filter` undone; the last bytes, too few for an instruction, come out as they are. */
export async function* unfilter(
  source: AsyncIterable<Uint8Array>,
  filter: BranchFilter,
  startOffset: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let carried = new Uint8Array(0);
  let position = startOffset;
  for await (const chunk of source) {
    const bytes = new Uint8Array(carried.length + chunk.length);
    bytes.set(carried);
    bytes.set(chunk, carried.length);
    const finished = filter(bytes, position);
    position += finished;
    carried = bytes.slice(finished);
    if (finished > 0) yield bytes.subarray(0, finished);
  }
  if (carried.length > 0) yield carried;
}
