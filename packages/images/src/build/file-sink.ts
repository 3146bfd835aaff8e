// Writes a file in one pass and knows its digest at the end.

import { createHash, type Hash } from "node:crypto";
import type { ByteSink } from "@kelpie/formats";
import type { FileHandle, Files } from "@kelpie/platform";

/** What was written. */
export interface WrittenFile {
  readonly sizeBytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

const zeros = new Uint8Array(1 << 20);

/** Creates the file at `path` with what `produce` writes; zeros that it skips are holes. */
export async function writeImageFile(
  files: Pick<Files, "open">,
  path: string,
  produce: (sink: ByteSink) => Promise<unknown>,
): Promise<WrittenFile> {
  await using handle = await files.open(path, "create", 0o644);
  const sink = new HashingSink(handle);
  await produce(sink);
  return await sink.finish();
}

class HashingSink implements ByteSink {
  readonly #handle: FileHandle;
  readonly #hash: Hash = createHash("sha256");
  #sizeBytes = 0;
  /** The end of what was really written: a hole at the end must be made by hand. */
  #writtenBytes = 0;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes);
    await this.#handle.write(bytes, this.#sizeBytes);
    this.#sizeBytes += bytes.length;
    this.#writtenBytes = this.#sizeBytes;
  }

  skip(sizeBytes: number): Promise<void> {
    for (let left = sizeBytes; left > 0; left -= zeros.length) {
      this.#hash.update(left < zeros.length ? zeros.subarray(0, left) : zeros);
    }
    this.#sizeBytes += sizeBytes;
    return Promise.resolve();
  }

  async finish(): Promise<WrittenFile> {
    if (this.#writtenBytes < this.#sizeBytes) await this.#handle.truncate(this.#sizeBytes);
    return { sizeBytes: this.#sizeBytes, sha256: this.#hash.digest("hex") };
  }
}
