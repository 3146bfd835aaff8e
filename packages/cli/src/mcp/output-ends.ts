// The beginning and the end of a text of any length: what a reader with little room needs of a program's output.

/** Keeps the first and the last `halfBytes` of what it is given. */
export class OutputEnds {
  readonly #halfBytes: number;
  readonly #head: Uint8Array[] = [];
  #headBytes = 0;
  #tail = new Uint8Array(0);
  #totalBytes = 0;

  constructor(halfBytes: number) {
    this.#halfBytes = halfBytes;
  }

  add(bytes: Uint8Array): void {
    this.#totalBytes += bytes.length;
    const forHead = bytes.subarray(0, this.#halfBytes - this.#headBytes);
    if (forHead.length > 0) {
      this.#head.push(forHead.slice());
      this.#headBytes += forHead.length;
    }
    const rest = bytes.subarray(forHead.length).subarray(-this.#halfBytes);
    if (rest.length === 0) return;
    const kept = this.#tail.subarray(Math.max(0, this.#tail.length + rest.length - this.#halfBytes));
    const tail = new Uint8Array(kept.length + rest.length);
    tail.set(kept);
    tail.set(rest, kept.length);
    this.#tail = tail;
  }

  /** The text, with a line in its middle that says how much was left out. */
  text(): string {
    const left = this.#totalBytes - this.#headBytes - this.#tail.length;
    const decode = (chunks: readonly Uint8Array[]): string => new TextDecoder().decode(Buffer.concat(chunks));
    if (left === 0) return decode([...this.#head, this.#tail]);
    return `${decode(this.#head)}\n[${left} bytes left out]\n${decode([this.#tail])}`;
  }
}
