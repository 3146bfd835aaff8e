// The blobs of a pull that is not finished, in one file, for the pull that goes on after an interruption. One file: to create
// and to remove one for each of hundreds of blobs costs a file system more than to write them.

import type { FileHandle, Files } from "@kelpie/platform";
import { KelpieError } from "@kelpie/platform";
import { type Digest, digestOf } from "../oci/digest.ts";
import { maxBlobBytes } from "./image-manifest.ts";

/** In front of each blob: its SHA-256, and its length as a big-endian number of four bytes. */
const headerBytes = 36;

/** Keeping is a convenience: what the disk refuses here, or a crash cuts short, is only fetched again. */
export class KeptBlobs implements AsyncDisposable {
  readonly #handle: FileHandle | undefined;
  readonly #places: Map<Digest, { readonly offset: number; readonly size: number }>;
  #end: number;

  private constructor(
    handle: FileHandle | undefined,
    places: Map<Digest, { readonly offset: number; readonly size: number }>,
    end: number,
  ) {
    this.#handle = handle;
    this.#places = places;
    this.#end = end;
  }

  /** Opens the file at `path`, with what an earlier pull has left in it. */
  static async open(files: Pick<Files, "open" | "stat">, path: string): Promise<KeptBlobs> {
    try {
      const isThere = (await files.stat(path)) !== undefined;
      const handle = await files.open(path, isThere ? "update" : "create", 0o600);
      return await KeptBlobs.#scan(handle);
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      return new KeptBlobs(undefined, new Map(), 0);
    }
  }

  static async #scan(handle: FileHandle): Promise<KeptBlobs> {
    const places = new Map<Digest, { readonly offset: number; readonly size: number }>();
    const { sizeBytes } = await handle.stat();
    const header = Buffer.alloc(headerBytes);
    let end = 0;
    while ((await handle.read(header, end)) === headerBytes) {
      const size = header.readUInt32BE(32);
      const next = end + headerBytes + size;
      // Blobs are written side by side: where a crash has left a gap, what lies behind it is lost.
      if (size === 0 || size > maxBlobBytes || next > sizeBytes) break;
      places.set(`sha256:${header.toString("hex", 0, 32)}`, { offset: end + headerBytes, size });
      end = next;
    }
    return new KeptBlobs(handle, places, end);
  }

  /** The verified bytes of a blob that was kept. */
  async find(digest: Digest, sizeBytes: number): Promise<Uint8Array | undefined> {
    const place = this.#places.get(digest);
    if (place?.size !== sizeBytes) return undefined;
    const bytes = Buffer.allocUnsafeSlow(sizeBytes);
    try {
      await this.#handle?.read(bytes, place.offset);
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      return undefined;
    }
    return digestOf(bytes) === digest ? bytes : undefined;
  }

  async keep(digest: Digest, bytes: Uint8Array): Promise<void> {
    const header = Buffer.alloc(headerBytes);
    header.write(digest.slice("sha256:".length), "hex");
    header.writeUInt32BE(bytes.length, 32);
    const offset = this.#end;
    this.#end += headerBytes + bytes.length;
    try {
      // The header last: a blob that has one is whole, unless the power failed.
      await this.#handle?.write(bytes, offset + headerBytes);
      await this.#handle?.write(header, offset);
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close();
  }
}
