// The hash that orders the names of a large directory: half MD4, with the file system's seed, of unsigned bytes
// (kernel documentation, "Hash Tree Directories"; the round functions are those of MD4, RFC 1320).

/** A name's place in a hash tree. */
export interface NameHash {
  /** Even: the lowest bit is for the tree, to say that a block goes on with the hash of the one before. */
  readonly major: number;
  readonly minor: number;
}

const chunkBytes = 32;
const endOfTree = 0xfffffffe;
const square2 = 0x5a827999;
const square3 = 0x6ed9eba1;
/** Which word each step of the three rounds takes, and how far it rotates. */
const wordOrder = [
  [0, 1, 2, 3, 4, 5, 6, 7],
  [1, 3, 5, 7, 0, 2, 4, 6],
  [3, 7, 2, 6, 1, 5, 0, 4],
] as const;
const rotations = [
  [3, 7, 11, 19],
  [3, 5, 9, 13],
  [3, 9, 11, 15],
] as const;
const constants = [0, square2, square3] as const;

/** The hash of `name` under `seed`, which is four 32-bit numbers, not all zero. */
export function hashName(name: Uint8Array, seed: Uint32Array): NameHash {
  const state = Int32Array.from(seed);
  for (let at = 0; at < name.length; at += chunkBytes) transform(state, wordsOf(name, at));
  const major = ((state[1] ?? 0) & ~1) >>> 0;
  return { major: major === endOfTree ? endOfTree - 2 : major, minor: (state[2] ?? 0) >>> 0 };
}

/** Eight words of four bytes, high byte first; what is missing is filled from the number of bytes that were left. */
function wordsOf(name: Uint8Array, start: number): Int32Array {
  const left = name.length - start;
  const padding = left | (left << 8) | (left << 16) | (left << 24);
  const words = new Int32Array(chunkBytes / 4).fill(padding);
  for (let index = 0; index < Math.min(left, chunkBytes); index += 1) {
    const word = index >> 2;
    words[word] = (name[start + index] ?? 0) + ((words[word] ?? 0) << 8);
  }
  return words;
}

function transform(state: Int32Array, words: Int32Array): void {
  let [a = 0, b = 0, c = 0, d = 0] = state;
  for (let round = 0; round < 3; round += 1) {
    for (let step = 0; step < 8; step += 1) {
      const word = words[wordOrder[round]?.[step] ?? 0] ?? 0;
      const sum = (a + mix(round, b, c, d) + word + (constants[round] ?? 0)) | 0;
      const turn = rotations[round]?.[step & 3] ?? 0;
      [a, b, c, d] = [d, (sum << turn) | (sum >>> (32 - turn)), b, c];
    }
  }
  state[0] = (state[0] ?? 0) + a;
  state[1] = (state[1] ?? 0) + b;
  state[2] = (state[2] ?? 0) + c;
  state[3] = (state[3] ?? 0) + d;
}

function mix(round: number, x: number, y: number, z: number): number {
  if (round === 0) return z ^ (x & (y ^ z));
  if (round === 1) return (x & y) + ((x ^ y) & z);
  return x ^ y ^ z;
}
