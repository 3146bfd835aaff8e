// Makes damaged inputs out of good ones, the same ones for the same seed.

const maxInputBytes = 1 << 20;
const interestingBytes = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x2f, 0x30, 0x37, 0x20, 0x2e];

export type Generator32 = (below: number) => number;

/** A linear congruential generator over 48 bits (as drand48), of which the upper 31 are used. */
export function generator(seed: number): Generator32 {
  let state = (BigInt(seed) << 16n) | 0x330en;
  return (below) => {
    state = (state * 0x5deece66dn + 0xbn) & 0xffffffffffffn;
    return below <= 0 ? 0 : Number(state >> 17n) % below;
  };
}

/** One of `corpus`, changed in one to four places. */
export function mutate(corpus: readonly Uint8Array[], random: Generator32): Uint8Array {
  const pick = (): Uint8Array => corpus[random(corpus.length)] ?? new Uint8Array(0);
  let bytes = new Uint8Array(pick());
  for (let count = 1 + random(4); count > 0; count -= 1) bytes = mutateOnce(bytes, pick(), random);
  return bytes.subarray(0, maxInputBytes);
}

function mutateOnce(
  bytes: Uint8Array<ArrayBuffer>,
  other: Uint8Array,
  random: Generator32,
): Uint8Array<ArrayBuffer> {
  const at = random(bytes.length);
  const length = 1 + random(Math.min(64, bytes.length));
  switch (random(8)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
      return bytes;
    case 1:
      bytes[at] = interestingBytes[random(interestingBytes.length)] ?? 0;
      return bytes;
    case 2:
      bytes[at] = random(256);
      return bytes;
    case 3:
      bytes.fill(interestingBytes[random(interestingBytes.length)] ?? 0, at, at + length);
      return bytes;
    case 4:
      return bytes.slice(0, at);
    case 5:
      return joined(bytes.subarray(0, at), bytes.subarray(at + length));
    case 6:
      return joined(bytes.subarray(0, at + length), bytes.subarray(at));
    default:
      return joined(bytes.subarray(0, at), other.subarray(random(other.length)));
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}
