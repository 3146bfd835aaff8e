// Random access to an image, with a small cache: inodes and directory blocks that are neighbours are read once.

import { KelpieError } from "@kelpie/platform";
import type { ByteSource } from "../../byte-source.ts";

const pageBytes = 64 * 1024;
const maxPages = 64;

/** Reads any part of an image. A part that is not all there is `malformed`. */
export class Disk {
  readonly sizeBytes: number;
  /** The image's name, for messages. */
  readonly where: string;
  readonly #source: ByteSource;
  /** By number; the one that was used last stands last. */
  readonly #pages = new Map<number, Uint8Array>();

  constructor(source: ByteSource, where: string) {
    if (source.bytes === undefined && source.readInto === undefined)
      throw new KelpieError(
        "unsupported",
        "An ext4 image can only be read where it can be read at any place",
        { where },
      );
    this.#source = source;
    this.sizeBytes = source.sizeBytes;
    this.where = where;
  }

  /** Fills `into` from byte `position` on, past the cache: for the content of files. */
  async readInto(into: Uint8Array, position: number, what: string): Promise<void> {
    this.#check(position, into.length, what);
    if (this.#source.bytes !== undefined)
      into.set(this.#source.bytes.subarray(position, position + into.length));
    else await this.#source.readInto?.(into, position);
  }

  /** `sizeBytes` bytes from byte `position` on. They are the caller's. */
  async read(position: number, sizeBytes: number, what: string): Promise<Uint8Array> {
    this.#check(position, sizeBytes, what);
    const bytes = new Uint8Array(sizeBytes);
    for (let done = 0; done < sizeBytes; ) {
      const at = position + done;
      const page = await this.#page(Math.floor(at / pageBytes));
      const part = page.subarray(at % pageBytes, (at % pageBytes) + sizeBytes - done);
      bytes.set(part, done);
      done += part.length;
    }
    return bytes;
  }

  async #page(number: number): Promise<Uint8Array> {
    const position = number * pageBytes;
    const page = this.#pages.get(number) ?? new Uint8Array(Math.min(pageBytes, this.sizeBytes - position));
    if (!this.#pages.delete(number)) await this.readInto(page, position, "an image");
    this.#pages.set(number, page);
    const [oldest] = this.#pages.keys();
    if (this.#pages.size > maxPages && oldest !== undefined) this.#pages.delete(oldest);
    return page;
  }

  #check(position: number, sizeBytes: number, what: string): void {
    if (position + sizeBytes <= this.sizeBytes) return;
    throw malformed(
      this,
      `Cannot read ${what}`,
      `byte ${position + sizeBytes}`,
      `the end at ${this.sizeBytes}`,
    );
  }
}

/** The error of an image that is not what it should be. */
export function malformed(
  disk: Pick<Disk, "where">,
  summary: string,
  expected: string,
  found: string,
): KelpieError {
  return new KelpieError("malformed", summary, { expected, found, where: disk.where });
}

/** The error of a well-formed image that uses what this reader does not know. */
export function unsupported(disk: Pick<Disk, "where">, summary: string, found: string): KelpieError {
  return new KelpieError("unsupported", summary, { found, where: disk.where });
}
