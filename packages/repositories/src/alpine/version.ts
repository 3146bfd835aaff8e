// Versions of Alpine packages: which are valid, and which is the later one, as apk-tools 2.14 decides.
// The grammar is Gentoo's: digits{.digits}…{letter}{_suffix{digits}}…{-r digits}.

/** Negative, zero or positive, as for `Array.prototype.sort`. */
export type Comparison = -1 | 0 | 1;

// What the next token of a version is. The order is apk's: where two versions agree up to here, the one whose next
// token has the lower kind is the later, so 1.0.1 > 1.0a > 1.0_p > 1.0-r1 > 1.0.
const invalid = -1;
const digitsOrZeros = 0;
const digits = 1;
const letter = 2;
const suffix = 3;
const suffixDigits = 4;
const revision = 5;
const end = 6;
type Kind =
  | typeof invalid
  | typeof digitsOrZeros
  | typeof digits
  | typeof letter
  | typeof suffix
  | typeof suffixDigits
  | typeof revision
  | typeof end;

const beforeRelease = ["alpha", "beta", "pre", "rc"] as const;
const afterRelease = ["cvs", "svn", "git", "hg", "p"] as const;
/** The longest number that apk takes. */
const maxDigits = 17;

/** Reads a version token by token; `kind` is the kind of the token that `take` reads next. */
class Cursor {
  kind: Kind = digits;
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** The value of the token: a number, a letter's code, or a suffix's rank (negative before the release). */
  take(): bigint {
    if (this.#at >= this.#text.length) {
      this.kind = end;
      return 0n;
    }
    switch (this.kind) {
      case digitsOrZeros: {
        const zeros = this.#run(/0*/y);
        if (zeros.length === 0) return this.#number();
        // Leading zeros are a token of their own, the more the lower: 1.00 < 1.0 < 1.01 < 1.1.
        this.kind = digits;
        return BigInt(1 - zeros.length);
      }
      case digits:
      case suffixDigits:
      case revision:
        return this.#number();
      case letter: {
        const code = this.#text.charCodeAt(this.#at++);
        this.#advance();
        return BigInt(code);
      }
      case suffix:
        return this.#suffix();
      case invalid:
      case end:
        this.kind = invalid;
        return -1n;
      default:
        return this.kind satisfies never;
    }
  }

  #run(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }

  #number(): bigint {
    const found = this.#run(/[0-9]*/y);
    if (found.length > maxDigits) {
      this.kind = invalid;
      return -1n;
    }
    this.#advance();
    return BigInt(found);
  }

  #suffix(): bigint {
    for (const [rank, word] of [...beforeRelease, ...afterRelease].entries()) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      this.#advance();
      return BigInt(rank - beforeRelease.length);
    }
    this.kind = invalid;
    return -1n;
  }

  /** Decides the kind of the next token by its first character, which it skips where that is punctuation. */
  #advance(): void {
    const before = this.kind;
    const next = this.#nextKind();
    const mayGoBack =
      (next === digitsOrZeros && before === digits) ||
      (next === suffix && before === suffixDigits) ||
      (next === digits && before === letter);
    this.kind = next < before && !mayGoBack ? invalid : next;
  }

  #nextKind(): Kind {
    const character = this.#text.charAt(this.#at);
    const isDigit = character >= "0" && character <= "9";
    if (character === "") return end;
    if (this.kind <= digits && character >= "a" && character <= "z") return letter;
    if (this.kind === letter && isDigit) return digits;
    if (this.kind === suffix && isDigit) return suffixDigits;
    this.#at += 1;
    if (character === ".") return digitsOrZeros;
    if (character === "_") return suffix;
    if (character === "-" && this.#text.charAt(this.#at) === "r") {
      this.#at += 1;
      return revision;
    }
    return invalid;
  }
}

/** Whether apk accepts the text as a version. */
export function isValidVersion(version: string): boolean {
  const cursor = new Cursor(version);
  while (cursor.kind !== end && cursor.kind !== invalid) cursor.take();
  return cursor.kind === end;
}

/** Orders two versions; the later is the greater. Defined for invalid versions too, as apk has it. */
export function compareVersions(a: string, b: string): Comparison {
  const { left, right, comparison } = walk(a, b);
  if (comparison !== 0 || left.kind === right.kind) return comparison;
  // The longer version is the later one, unless it goes on with a suffix that means "before the release".
  const { kind: leftKind } = left;
  const { kind: rightKind } = right;
  if (leftKind === suffix && left.take() < 0n) return -1;
  if (rightKind === suffix && right.take() < 0n) return 1;
  return leftKind > rightKind ? -1 : 1;
}

/** Whether `version` agrees with `prefix` token by token as far as both go: the constraint `~prefix`. */
export function matchesFuzzily(version: string, prefix: string): boolean {
  return walk(version, prefix).comparison === 0;
}

function walk(a: string, b: string): { left: Cursor; right: Cursor; comparison: Comparison } {
  const left = new Cursor(a);
  const right = new Cursor(b);
  while (left.kind === right.kind && left.kind !== end && left.kind !== invalid) {
    const leftValue = left.take();
    const rightValue = right.take();
    if (leftValue !== rightValue) return { left, right, comparison: leftValue < rightValue ? -1 : 1 };
  }
  return { left, right, comparison: 0 };
}
