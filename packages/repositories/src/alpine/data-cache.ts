// The uncompressed data parts of packages, kept once under the digest that their packages state: contents of files are read
// from there whenever they are needed.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { fileSource, tee } from "@kelpie/formats";
import { cancelled, KelpieError, type Platform, randomHex, writeFileAtomic } from "@kelpie/platform";
import { type DataEntry, readDataTar } from "./package-data.ts";

/** One package's data. A file `<digest>.sha256` beside the archive holds the uncompressed archive's own digest. */
export class DataCache {
  readonly #platform: Pick<Platform, "files" | "host" | "random">;
  readonly #directory: string;
  readonly #dataHash: string;
  readonly #where: string;
  readonly #signal: AbortSignal | undefined;

  /** @throws KelpieError `malformed` for a package that does not state a digest. */
  constructor(
    platform: Pick<Platform, "files" | "host" | "random">,
    directory: string,
    dataHash: string | undefined,
    where: string,
    signal: AbortSignal | undefined,
  ) {
    if (dataHash === undefined) {
      throw new KelpieError("malformed", "A package does not state the digest of its data", {
        expected: "a line datahash in .PKGINFO",
        where,
      });
    }
    this.#platform = platform;
    this.#directory = directory;
    this.#dataHash = dataHash;
    this.#where = where;
    this.#signal = signal;
  }

  get #path(): string {
    return join(this.#directory, `${this.#dataHash}.tar`);
  }

  get #digestPath(): string {
    return join(this.#directory, `${this.#dataHash}.sha256`);
  }

  /** The entries of what is kept, verified anew; undefined if nothing is, or not what was kept. */
  async read(): Promise<DataEntry[] | undefined> {
    const { files } = this.#platform;
    const status = await files.stat(this.#path);
    if (status === undefined || (await files.stat(this.#digestPath)) === undefined) return undefined;
    const stated = new TextDecoder().decode(await files.readFile(this.#digestPath, 1024)).trim();
    const hash = createHash("sha256");
    const source = fileSource(files, this.#path, 0, status.sizeBytes).open(this.#signal);
    try {
      const entries = await this.#entries(source, (bytes) => hash.update(bytes));
      return hash.digest("hex") === stated ? entries : undefined;
    } catch (error) {
      if (KelpieError.is(error) && isDamage(error)) return undefined;
      throw error;
    }
  }

  /**
   * Puts the uncompressed `content` into the cache, where it gets its name only if `digest`, asked at its end, gives the
   * stated digest.
   *
   * @throws KelpieError `digest-mismatch`, and what reading the archive throws.
   */
  async write(content: AsyncIterable<Uint8Array>, digest: () => string): Promise<DataEntry[]> {
    const { files, random } = this.#platform;
    await files.makeDirectory(this.#directory);
    const temporary = join(this.#directory, `.${this.#dataHash}.${randomHex(random, 6)}.tmp`);
    const hash = createHash("sha256");
    try {
      let entries: DataEntry[];
      {
        await using handle = await files.open(temporary, "create", 0o644);
        let position = 0;
        entries = await this.#entries(content, async (bytes) => {
          hash.update(bytes);
          await handle.write(bytes, position);
          position += bytes.length;
        });
      }
      const found = digest();
      if (found !== this.#dataHash) {
        throw new KelpieError("digest-mismatch", "A package's data is not what was promised", {
          expected: this.#dataHash,
          found,
          where: this.#where,
        });
      }
      await files.rename(temporary, this.#path);
      await writeFileAtomic(this.#platform, this.#digestPath, `${hash.digest("hex")}\n`);
      return entries;
    } catch (error) {
      await files.remove(temporary);
      throw error;
    }
  }

  async #entries(
    content: AsyncIterable<Uint8Array>,
    take: (bytes: Uint8Array) => unknown,
  ): Promise<DataEntry[]> {
    const write = async (bytes: Uint8Array): Promise<void> => {
      if (this.#signal?.aborted === true) throw cancelled(this.#signal);
      await take(bytes);
    };
    const stream = tee(content, { write });
    const contentAt = (offset: number, sizeBytes: number) =>
      fileSource(this.#platform.files, this.#path, offset, sizeBytes);
    // The stream outlives the archive's end: what follows belongs to the digest too.
    const unclosed = { [Symbol.asyncIterator]: () => ({ next: () => stream.next() }) };
    try {
      const entries = await readDataTar(unclosed, contentAt, this.#where);
      for await (const _ of stream);
      return entries;
    } finally {
      await stream.return();
    }
  }
}

function isDamage({ code }: KelpieError): boolean {
  return (
    code === "malformed" || code === "digest-mismatch" || code === "unsafe-path" || code === "limit-exceeded"
  );
}
