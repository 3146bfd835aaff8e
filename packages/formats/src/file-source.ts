// Content that lies in a part of a file on disk.

import { type Files, KelpieError } from "@kelpie/platform";
import type { SeekableSource } from "./byte-source.ts";

const chunkBytes = 256 * 1024;

type ReadableFiles = Pick<Files, "open"> & Partial<Pick<Files, "readInto">>;

/**
 * `sizeBytes` bytes from `offset` of the file at `path`, opened anew each time that it is read.
 * A file that ends sooner is `malformed`.
 */
export function fileSource(
  files: ReadableFiles,
  path: string,
  offset: number,
  sizeBytes: number,
): SeekableSource {
  return new FileSource(files, path, offset, sizeBytes);
}

/** A class, because a tree has one for each file: closures would take several times the memory. */
class FileSource implements SeekableSource {
  readonly sizeBytes: number;
  readonly #files: ReadableFiles;
  readonly #path: string;
  readonly #offset: number;

  constructor(files: ReadableFiles, path: string, offset: number, sizeBytes: number) {
    this.#files = files;
    this.#path = path;
    this.#offset = offset;
    this.sizeBytes = sizeBytes;
  }

  async *open(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.sizeBytes === 0) return;
    await using handle = await this.#files.open(this.#path, "read");
    const buffer = new Uint8Array(Math.min(chunkBytes, this.sizeBytes));
    let done = 0;
    while (done < this.sizeBytes) {
      signal?.throwIfAborted();
      const want = buffer.subarray(0, Math.min(buffer.length, this.sizeBytes - done));
      const got = await handle.read(want, this.#offset + done);
      if (got < want.length) throw this.#tooShort(done + got);
      done += got;
      yield want.slice();
    }
  }

  async readInto(into: Uint8Array, position: number): Promise<void> {
    const at = this.#offset + position;
    const got =
      this.#files.readInto === undefined
        ? await this.#readOpened(into, at)
        : await this.#files.readInto(this.#path, into, at);
    if (got < into.length) throw this.#tooShort(position + got);
  }

  async #readOpened(into: Uint8Array, at: number): Promise<number> {
    await using handle = await this.#files.open(this.#path, "read");
    return await handle.read(into, at);
  }

  #tooShort(foundBytes: number): KelpieError {
    return new KelpieError("malformed", "A file ends before the content that it should hold", {
      expected: `${this.sizeBytes} bytes from byte ${this.#offset}`,
      found: `${foundBytes}`,
      where: this.#path,
    });
  }
}
