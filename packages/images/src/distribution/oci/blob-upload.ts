// One blob from memory into a registry: in one request at first, and in pieces that can be resumed once that has failed
// (OCI distribution specification 1.1, section "Pushing blobs").

import { KelpieError } from "@kelpie/platform";
import type { Attempt, GuardedResponse } from "@kelpie/repositories";
import type { BlobTransferOptions } from "./blob-download.ts";
import type { Digest } from "./digest.ts";
import { refused, type RegistryHttp, type RegistryRequest, resolveLocation } from "./registry-http.ts";

/** Larger than the least that storage services behind registries take for a part. */
const chunkBytes = 5 << 20;
const maxChunkBytes = 64 << 20;
const pieceBytes = 256 << 10;

/** @throws KelpieError `permission-denied`, `limit-exceeded`, `unreachable`, `timeout`, `cancelled`. */
export async function uploadBlob(
  http: RegistryHttp,
  digest: Digest,
  bytes: Uint8Array,
  options: BlobTransferOptions = {},
): Promise<void> {
  const upload = new BlobUpload(http, digest, bytes, options);
  await http.retried(options.signal, () => upload.attempt());
}

/** The attempts at one blob: what the registry has taken survives from one to the next. */
class BlobUpload {
  readonly #http: RegistryHttp;
  readonly #digest: Digest;
  readonly #bytes: Uint8Array;
  readonly #options: BlobTransferOptions;
  #attempts = 0;
  #session: { location: URL; offset: number } | undefined;
  #chunkBytes = chunkBytes;

  constructor(http: RegistryHttp, digest: Digest, bytes: Uint8Array, options: BlobTransferOptions) {
    this.#http = http;
    this.#digest = digest;
    this.#bytes = bytes;
    this.#options = options;
  }

  async attempt(): Promise<Attempt<undefined>> {
    this.#attempts += 1;
    if (this.#attempts === 1 || this.#bytes.length <= chunkBytes) return this.#inOne();
    return this.#inPieces();
  }

  async #inOne(): Promise<Attempt<undefined>> {
    const opened = await this.#open();
    if (opened.kind === "again") return opened;
    return this.#finish(opened.value, this.#bytes);
  }

  async #inPieces(): Promise<Attempt<undefined>> {
    const located =
      this.#session === undefined ? await this.#begin() : await this.#findOffset(this.#session.location);
    if (located.kind === "again") return located;
    for (;;) {
      const { location, offset } = located.value;
      if (offset >= this.#bytes.length) break;
      const chunk = this.#bytes.subarray(offset, offset + this.#chunkBytes);
      const request = {
        method: "PATCH",
        target: location,
        ...this.#sending(chunk),
      } as const;
      const headers = { ...request.headers, "content-range": `${offset}-${offset + chunk.length - 1}` };
      const sent = await this.#http.once({ ...request, headers }, async (response) =>
        response.status === 202 ? done(this.#place(response, location.href)) : await this.#lost(response),
      );
      if (sent.kind === "again") return sent;
      located.value.location = sent.value;
      located.value.offset = offset + chunk.length;
    }
    return this.#finish(located.value.location, new Uint8Array(0));
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
      if (offset > this.#bytes.length) return await this.#lost(response);
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

  async #finish(location: URL, rest: Uint8Array): Promise<Attempt<undefined>> {
    // Appended by hand: to write the query anew could change what the registry signed.
    const query = `digest=${encodeURIComponent(this.#digest)}`;
    const target = new URL(`${location.href}${location.search === "" ? "?" : "&"}${query}`);
    return this.#http.once({ method: "PUT", target, ...this.#sending(rest) }, async (response) =>
      response.status === 201 || response.status === 204 ? done(undefined) : await this.#lost(response),
    );
  }

  #sending(bytes: Uint8Array): Pick<RegistryRequest, "headers" | "body" | "signal"> {
    const { onBytes, signal } = this.#options;
    return {
      headers: { "content-type": "application/octet-stream", "content-length": `${bytes.length}` },
      body: () => (bytes.length === 0 ? bytes : inPieces(bytes, onBytes)),
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
// eslint-disable-next-line @typescript-eslint/require-await -- a body is asynchronous, memory is not
async function* inPieces(
  bytes: Uint8Array,
  onBytes: ((count: number) => void) | undefined,
): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < bytes.length; offset += pieceBytes) {
    const piece = bytes.subarray(offset, offset + pieceBytes);
    yield piece;
    onBytes?.(piece.length);
  }
}
