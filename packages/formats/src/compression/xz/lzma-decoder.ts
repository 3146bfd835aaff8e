// The LZMA decoder under LZMA2: one whole chunk at a time, from memory to memory, so that it never has to stop halfway.
// Follows the LZMA specification (7-Zip SDK, lzma-specification.txt).
//
// `range` and `code` are unsigned 32-bit numbers kept as signed ones, which the engine holds without boxing; they are compared
// after flipping their top bits.

import { malformedXz } from "./malformed-xz.ts";

const states = 12;
const positionStates = 16;
const literalCoderSize = 0x300;
const initialProbability = 1024;
const topBit = 0x80000000 | 0;
const maxLengthOfByteLoop = 32;

// Where each group of probabilities begins.
const isMatch = 0;
const isRep = isMatch + states * positionStates;
const isRep0 = isRep + states;
const isRep1 = isRep0 + states;
const isRep2 = isRep1 + states;
const isRep0Long = isRep2 + states;
const distanceSlot = isRep0Long + states * positionStates;
const distanceSpecial = distanceSlot + 4 * 64;
const distanceAlign = distanceSpecial + 128;
const lengthOfMatch = distanceAlign + 16;
const lengthLow = 2;
const lengthMiddle = lengthLow + positionStates * 8;
const lengthHigh = lengthMiddle + positionStates * 8;
const lengthOfRep = lengthOfMatch + lengthHigh + 256;
const literals = lengthOfRep + lengthHigh + 256;

/** What a decoder has learnt; it stays from chunk to chunk until LZMA2 resets it. */
export class LzmaDecoder {
  readonly #probabilities = new Uint16Array(literals + (literalCoderSize << 4));
  #literalContextBits = 0;
  #literalPositionMask = 0;
  #positionMask = 0;
  #state = 0;
  #rep0 = 0;
  #rep1 = 0;
  #rep2 = 0;
  #rep3 = 0;

  #input: Uint8Array = new Uint8Array(0);
  #inputPosition = 0;
  #range = 0;
  #code = 0;

  /** Takes the byte that packs lc, lp and pb, and resets. LZMA2 bounds lc + lp by 4. */
  setProperties(properties: number): void {
    const literalContextBits = properties % 9;
    const literalPositionBits = Math.floor(properties / 9) % 5;
    const positionBits = Math.floor(properties / 45);
    if (positionBits > 4 || literalContextBits + literalPositionBits > 4) {
      throw malformedXz("lc + lp and pb of at most 4", `properties 0x${properties.toString(16)}`);
    }
    this.#literalContextBits = literalContextBits;
    this.#literalPositionMask = (1 << literalPositionBits) - 1;
    this.#positionMask = (1 << positionBits) - 1;
    this.reset();
  }

  /** Forgets what has been learnt, and keeps the properties. */
  reset(): void {
    this.#probabilities.fill(initialProbability);
    this.#state = 0;
    this.#rep0 = this.#rep1 = this.#rep2 = this.#rep3 = 0;
  }

  /** Decodes exactly `input` to exactly the bytes of `output` from `start` to `end`; a match may reach `maxDistance` back. */
  decode(input: Uint8Array, output: Uint8Array, start: number, end: number, maxDistance: number): void {
    this.#startRange(input);
    let at = start;
    while (at < end) {
      const state = this.#state;
      const positionState = at & this.#positionMask;
      if (this.#bit(isMatch + state * positionStates + positionState) === 0) {
        output[at] = this.#literal(output, at, maxDistance);
        this.#state = state < 4 ? 0 : state < 10 ? state - 3 : state - 6;
        at += 1;
        continue;
      }
      const length = this.#matchLength(positionState);
      const distance = this.#rep0 + 1;
      if (distance > at || distance > maxDistance) {
        throw malformedXz(`a distance of at most ${Math.min(at, maxDistance)}`, `${distance}`);
      }
      if (length > end - at) throw malformedXz(`a match of at most ${end - at} bytes`, `${length}`);
      if (length > maxLengthOfByteLoop && distance >= length) {
        output.copyWithin(at, at - distance, at - distance + length);
        at += length;
      } else {
        for (const stop = at + length; at < stop; at += 1) output[at] = output[at - distance] ?? 0;
      }
    }
    this.#endRange();
  }

  /** Decodes a literal; after a match it is told apart from the byte that the match would have gone on with. */
  #literal(output: Uint8Array, at: number, maxDistance: number): number {
    const previous = at > 0 ? (output[at - 1] ?? 0) : 0;
    const context =
      ((at & this.#literalPositionMask) << this.#literalContextBits) +
      (previous >> (8 - this.#literalContextBits));
    const coder = literals + literalCoderSize * context;
    let symbol = 1;
    if (this.#state >= 7) {
      const distance = this.#rep0 + 1;
      if (distance > at || distance > maxDistance) {
        throw malformedXz(`a distance of at most ${Math.min(at, maxDistance)}`, `${distance}`);
      }
      let matched = output[at - distance] ?? 0;
      while (symbol < 0x100) {
        const expected = (matched >> 7) & 1;
        matched <<= 1;
        const bit = this.#bit(coder + ((1 + expected) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== expected) break;
      }
    }
    return this.#tree(coder, symbol, 0x100);
  }

  /** Decodes the rest of a match: leaves its distance in `rep0` and returns its length. */
  #matchLength(positionState: number): number {
    const state = this.#state;
    if (this.#bit(isRep + state) === 0) {
      this.#rep3 = this.#rep2;
      this.#rep2 = this.#rep1;
      this.#rep1 = this.#rep0;
      this.#state = state < 7 ? 7 : 10;
      const length = this.#length(lengthOfMatch, positionState);
      this.#rep0 = this.#distance(length);
      return length;
    }
    if (this.#bit(isRep0 + state) === 0) {
      if (this.#bit(isRep0Long + state * positionStates + positionState) === 0) {
        this.#state = state < 7 ? 9 : 11;
        return 1;
      }
    } else {
      let distance = this.#rep1;
      if (this.#bit(isRep1 + state) === 1) {
        distance = this.#rep2;
        if (this.#bit(isRep2 + state) === 1) {
          distance = this.#rep3;
          this.#rep3 = this.#rep2;
        }
        this.#rep2 = this.#rep1;
      }
      this.#rep1 = this.#rep0;
      this.#rep0 = distance;
    }
    this.#state = state < 7 ? 8 : 11;
    return this.#length(lengthOfRep, positionState);
  }

  #length(coder: number, positionState: number): number {
    if (this.#bit(coder) === 0) return 2 + this.#tree(coder + lengthLow + positionState * 8, 1, 8);
    if (this.#bit(coder + 1) === 0) return 10 + this.#tree(coder + lengthMiddle + positionState * 8, 1, 8);
    return 18 + this.#tree(coder + lengthHigh, 1, 256);
  }

  /** A match distance less one. The end marker of LZMA alone, 0xffffffff, is too far for any dictionary. */
  #distance(length: number): number {
    const slot = this.#tree(distanceSlot + Math.min(length - 2, 3) * 64, 1, 64);
    if (slot < 4) return slot;
    const directBits = (slot >> 1) - 1;
    const high = (2 | (slot & 1)) << directBits;
    if (slot < 14) return high + this.#reverseTree(distanceSpecial + high - slot, directBits);
    const middle = this.#direct(directBits - 4);
    return (high >>> 0) + middle * 16 + this.#reverseTree(distanceAlign, 4);
  }

  /**
   * Decodes bits down a tree, from `symbol` until it reaches `end`, and returns them below `end`. Most of the time goes here,
   * so it is `#bit` again in a loop over locals.
   */
  #tree(base: number, symbol: number, end: number): number {
    const probabilities = this.#probabilities;
    const input = this.#input;
    let position = this.#inputPosition;
    let range = this.#range;
    let code = this.#code;
    while (symbol < end) {
      if ((range & 0xff000000) === 0) {
        range <<= 8;
        // Beyond the input this reads zeros, and the position tells at the end.
        code = (code << 8) | (input[position] ?? 0);
        position += 1;
      }
      const index = base + symbol;
      const probability = probabilities[index] ?? 0;
      const bound = Math.imul(range >>> 11, probability);
      symbol <<= 1;
      if ((code ^ topBit) < (bound ^ topBit)) {
        range = bound;
        probabilities[index] = probability + ((2048 - probability) >> 5);
      } else {
        range = (range - bound) | 0;
        code = (code - bound) | 0;
        probabilities[index] = probability - (probability >> 5);
        symbol |= 1;
      }
    }
    this.#inputPosition = position;
    this.#range = range;
    this.#code = code;
    return symbol - end;
  }

  #reverseTree(base: number, bits: number): number {
    let node = 1;
    let symbol = 0;
    for (let index = 0; index < bits; index += 1) {
      const bit = this.#bit(base + node);
      node = (node << 1) | bit;
      symbol |= bit << index;
    }
    return symbol;
  }

  #direct(bits: number): number {
    let value = 0;
    for (let index = 0; index < bits; index += 1) {
      this.#normalize();
      this.#range >>>= 1;
      const isBelow = (this.#code ^ topBit) < (this.#range ^ topBit);
      if (!isBelow) this.#code = (this.#code - this.#range) | 0;
      value = (value << 1) | (isBelow ? 0 : 1);
    }
    return value;
  }

  #bit(index: number): 0 | 1 {
    this.#normalize();
    const probability = this.#probabilities[index] ?? 0;
    const bound = Math.imul(this.#range >>> 11, probability);
    if ((this.#code ^ topBit) < (bound ^ topBit)) {
      this.#range = bound;
      this.#probabilities[index] = probability + ((2048 - probability) >> 5);
      return 0;
    }
    this.#range = (this.#range - bound) | 0;
    this.#code = (this.#code - bound) | 0;
    this.#probabilities[index] = probability - (probability >> 5);
    return 1;
  }

  #normalize(): void {
    if ((this.#range & 0xff000000) !== 0) return;
    this.#range <<= 8;
    this.#code = (this.#code << 8) | (this.#input[this.#inputPosition] ?? 0);
    this.#inputPosition += 1;
  }

  #startRange(input: Uint8Array): void {
    const [zero, a = 0, b = 0, c = 0, d = 0] = input;
    if (input.length < 5 || zero !== 0)
      throw malformedXz("a chunk that begins with 0", `${zero ?? "nothing"}`);
    this.#input = input;
    this.#inputPosition = 5;
    this.#range = -1;
    this.#code = (a << 24) | (b << 16) | (c << 8) | d;
  }

  #endRange(): void {
    this.#normalize();
    if (this.#inputPosition !== this.#input.length || this.#code !== 0) {
      throw malformedXz(`a chunk that uses its ${this.#input.length} bytes`, `${this.#inputPosition} used`);
    }
  }
}
