// Two ends of a stream in this process, for tests: what goes into one comes out of the other.

import { Duplex } from "node:stream";

/** How the bytes travel. */
export interface DuplexPairOptions {
  /** Delivers in pieces of at most so many bytes. */
  readonly pieceBytes?: number;
}

/** A connected pair. Ending or destroying one side ends the other. */
export function duplexPair({ pieceBytes = Infinity }: DuplexPairOptions = {}): [Duplex, Duplex] {
  const left = new End(pieceBytes);
  const right = new End(pieceBytes);
  left.peer = right;
  right.peer = left;
  return [left, right];
}

class End extends Duplex {
  peer: End | undefined;
  readonly #pieceBytes: number;
  #whenRead: (() => void) | undefined;

  constructor(pieceBytes: number) {
    super();
    this.#pieceBytes = pieceBytes;
  }

  override _read(): void {
    const whenRead = this.#whenRead;
    this.#whenRead = undefined;
    whenRead?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#deliver(chunk, done);
  }

  override _final(done: () => void): void {
    this.peer?.push(null);
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.peer?.readableEnded === false) this.peer.push(null);
    done(error);
  }

  #deliver(bytes: Buffer, done: () => void): void {
    const { peer } = this;
    if (peer === undefined || bytes.length === 0 || peer.destroyed) {
      done();
      return;
    }
    const piece = bytes.subarray(0, this.#pieceBytes);
    const next = (): void => this.#deliver(bytes.subarray(piece.length), done);
    if (peer.push(piece)) setImmediate(next);
    else peer.#whenRead = next;
  }
}
