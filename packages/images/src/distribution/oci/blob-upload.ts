// One blob into a registry: in one request at first, and in pieces that can be resumed once that has failed
// (OCI distribution specification 1.1, section "Pushing blobs").

import type { SeekableSource } from "@kelpie/formats";
import { KelpieError } from "@kelpie/platform";
import type { Attempt, GuardedResponse } from "@kelpie/repositories";
import type { BlobTransferOptions } from "./blob-download.ts";
import type { Digest } from "./digest.ts";
import { refused, type RegistryHttp, type RegistryRequest, resolveLocation } from "./registry-http.ts";

/** Larger than the least that storage services behind registries take for a part. */
const chunkBytes = 5 << 20;
const maxChunkBytes = 64 << 20;
const pieceBytes = 256 << 10;

/** What a blob holds: in memory, or in a file that stays as it is. */
export type BlobContent = Uint8Array | SeekableSource;

/** @throws KelpieError `permission-denied`, `limit-exceeded`, `unreachable`, `timeout`, `cancelled`. */
export async function uploadBlob(
  http: RegistryHttp,
  digest: Digest,
  content: BlobContent,
  options: BlobTransferOptions = {},
): Promise<void> {
  const upload = new BlobUpload(http, digest, content, options);
  await http.retried(options.signal, () => upload.attempt());
}

/** The attempts at one blob: what the registry has taken survives from one to the next. */
class BlobUpload {
  readonly #http: RegistryHttp;
  readonly #digest: Digest;
  readonly #content: BlobContent;
  readonly #sizeBytes: number;
  readonly #options: BlobTransferOptions;
  #attempts = 0;
  #session: { location: URL; offset: number } | undefined;
  #chunkBytes = chunkBytes;

  constructor(http: RegistryHttp, digest: Digest, content: BlobContent, options: BlobTransferOptions) {
    this.#http = http;
    this.#digest = digest;
    this.#content = content;
    this.#sizeBytes = content instanceof Uint8Array ? content.length : content.sizeBytes;
    this.#options = options;
  }

  async attempt(): Promise<Attempt<undefined>> {
    this.#attempts += 1;
    if (this.#attempts === 1 || this.#sizeBytes <= chunkBytes) return this.#inOne();
    return this.#inPieces();
  }

  async #inOne(): Promise<Attempt<undefined>> {
    const opened = await this.#open();
    if (opened.kind === "again") return opened;
    return this.#finish(opened.value, 0);
  }

  async #inPieces(): Promise<Attempt<undefined>> {
    const located =
      this.#session === undefined ? await this.#begin() : await this.#findOffset(this.#session.location);
    if (located.kind === "again") return located;
    for (;;) {
      const { location, offset } = located.value;
      if (offset >= this.#sizeBytes) break;
      const end = Math.min(offset + this.#chunkBytes, this.#sizeBytes);
      const request = { method: "PATCH", target: location, ...this.#sending(offset, end) } as const;
      const headers = { ...request.headers, "content-range": `${offset}-${end - 1}` };
      const sent = await this.#http.once({ ...request, headers }, async (response) =>
        response.status === 202 ? done(this.#place(response, location.href)) : await this.#lost(response),
      );
      if (sent.kind === "again") return sent;
      located.value.location = sent.value;
      located.value.offset = end;
    }
    return this.#finish(located.value.location, this.#sizeBytes);
  }

  async #begin(): Promise<Attempt<{ location: URL; offset: number }>> {
    const opened = await this.#open();
    if (opened.kind === "again") return opened;
    this.#session = { location: opened.value, offset: 0 };
    return done(this.#session);
  }

  /** Asks how much of a session's content has arrived. */
  async #findOffset(location: URL): Promise<Attempt<{ location: URL; offset: number }>> {
    return this.#http.once({ target: location, signal: this.#options.signal }, async (response) => {
      if (response.status !== 204) return await this.#lost(response);
      const end = /^(?:bytes=)?0-(\d{1,15})$/.exec(response.headers.get("range") ?? "")?.[1];
      // "0-0" is said of a session that has nothing, too: sending its first byte again is refused, and starts anew.
      const offset = end === undefined || end === "0" ? 0 : Number(end) + 1;
      if (offset > this.#sizeBytes) return await this.#lost(response);
      this.#session = { location: this.#place(response, location.href), offset };
      return done(this.#session);
    });
  }

  async #open(): Promise<Attempt<URL>> {
    const request: RegistryRequest = {
      method: "POST",
      target: "blobs/uploads/",
      headers: { "content-length": "0" },
      signal: this.#options.signal,
    };
    return this.#http.once(request, async (response) => {
      if (response.status !== 202) return await refused(response);
      const least = Number(response.headers.get("oci-chunk-min-length") ?? "0");
      if (least > chunkBytes && least <= maxChunkBytes) this.#chunkBytes = least;
      return done(this.#place(response, response.url));
    });
  }

  async #finish(location: URL, start: number): Promise<Attempt<undefined>> {
    // Appended by hand: to write the query anew could change what the registry signed.
    const query = `digest=${encodeURIComponent(this.#digest)}`;
    const target = new URL(`${location.href}${location.search === "" ? "?" : "&"}${query}`);
    return this.#http.once(
      { method: "PUT", target, ...this.#sending(start, this.#sizeBytes) },
      async (response) =>
        response.status === 201 || response.status === 204 ? done(undefined) : await this.#lost(response),
    );
  }

  #sending(start: number, end: number): Pick<RegistryRequest, "headers" | "body" | "signal"> {
    const { onBytes, signal } = this.#options;
    return {
      headers: { "content-type": "application/octet-stream", "content-length": `${end - start}` },
      body: () => (start === end ? new Uint8Array(0) : inPieces(this.#content, start, end, onBytes)),
      signal,
    };
  }

  /** The session cannot go on: the next attempt opens another. */
  async #lost(response: GuardedResponse): Promise<Attempt<never>> {
    this.#session = undefined;
    if (response.status !== 404 && response.status !== 416 && response.status !== 400)
      return await refused(response);
    const outcome = await refused(response).catch((error: unknown) => error);
    const error = KelpieError.is(outcome) ? outcome : undefined;
    return { kind: "again", error: error ?? new KelpieError("unreachable", "The registry lost an upload") };
  }

  #place(response: GuardedResponse, from: string): URL {
    const location = response.headers.get("location");
    if (location !== undefined) return resolveLocation(location, from);
    throw new KelpieError("malformed", "A registry does not say where an upload goes", {
      expected: "a Location header",
      found: `HTTP status ${response.status}`,
    });
  }
}

function done<T>(value: T): Attempt<T> {
  return { kind: "done", value };
}

/** In pieces, so that progress shows and a stall is told from a slow line. */
async function* inPieces(
  content: BlobContent,
  start: number,
  end: number,
  onBytes: ((count: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  for (let offset = start; offset < end; offset += pieceBytes) {
    const piece = await pieceOf(content, offset, Math.min(offset + pieceBytes, end));
    yield piece;
    onBytes?.(piece.length);
  }
}

async function pieceOf(content: BlobContent, start: number, end: number): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content.subarray(start, end);
  const piece = new Uint8Array(end - start);
  await content.readInto(piece, start);
  return piece;
}
