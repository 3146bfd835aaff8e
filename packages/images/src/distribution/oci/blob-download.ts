// One blob from a registry into memory: resumed where it broke, verified before anybody sees it.

import { KelpieError } from "@kelpie/platform";
import type { Attempt, GuardedResponse } from "@kelpie/repositories";
import { checkDigest, type Digest } from "./digest.ts";
import { refused, type RegistryHttp } from "./registry-http.ts";

/** What a descriptor says of a blob. */
export interface BlobDescription {
  readonly digest: Digest;
  readonly size: number;
}

export interface BlobTransferOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes that just went over the network. */
  readonly onBytes?: ((count: number) => void) | undefined;
}

/**
 * The verified bytes of a blob. The caller has bounded `size`.
 *
 * @throws KelpieError `digest-mismatch`, `not-found`, `permission-denied`, `unreachable`, `timeout`, `cancelled`.
 */
export async function downloadBlob(
  http: RegistryHttp,
  blob: BlobDescription,
  options: BlobTransferOptions = {},
): Promise<Uint8Array> {
  const download = new BlobDownload(http, blob, options);
  return await http.retried(options.signal, () => download.attempt());
}

/** The attempts at one blob: what has arrived survives from one to the next. */
class BlobDownload {
  readonly #http: RegistryHttp;
  readonly #blob: BlobDescription;
  readonly #options: BlobTransferOptions;
  readonly #bytes: Uint8Array;
  #received = 0;

  constructor(http: RegistryHttp, blob: BlobDescription, options: BlobTransferOptions) {
    this.#http = http;
    this.#blob = blob;
    this.#options = options;
    this.#bytes = Buffer.allocUnsafeSlow(blob.size);
  }

  async attempt(): Promise<Attempt<Uint8Array>> {
    const { digest } = this.#blob;
    const request = {
      target: `blobs/${digest}`,
      headers: this.#received > 0 ? { range: `bytes=${this.#received}-` } : {},
      signal: this.#options.signal,
    };
    const outcome = await this.#http.once(request, (response) => this.#receive(response));
    if (outcome.kind === "again") return outcome;
    try {
      checkDigest(this.#bytes, digest, `blob ${digest}`);
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      this.#received = 0;
      return { kind: "again", error };
    }
    return { kind: "done", value: this.#bytes };
  }

  async #receive(response: GuardedResponse): Promise<Attempt<undefined>> {
    const { status } = response;
    if (status === 200) this.#received = 0;
    else if (status === 206 || status === 416) {
      if (status === 416 || !this.#continues(response)) {
        const found = `HTTP status ${status}, content-range ${response.headers.get("content-range") ?? "absent"}`;
        this.#received = 0;
        return {
          kind: "again",
          error: new KelpieError("unreachable", "The registry does not resume where we asked", { found }),
        };
      }
    } else return await refused(response);
    const { digest, size } = this.#blob;
    for await (const chunk of response.body) {
      if (this.#received + chunk.length > size) {
        this.#received = 0;
        return { kind: "again", error: wrongSize(digest, size, "more") };
      }
      this.#bytes.set(chunk, this.#received);
      this.#received += chunk.length;
      this.#options.onBytes?.(chunk.length);
    }
    if (this.#received < size) return { kind: "again", error: wrongSize(digest, size, `${this.#received}`) };
    return { kind: "done", value: undefined };
  }

  #continues(response: GuardedResponse): boolean {
    const start = /^bytes (\d{1,15})-/.exec(response.headers.get("content-range") ?? "")?.[1];
    return start !== undefined && Number(start) === this.#received;
  }
}

function wrongSize(digest: Digest, size: number, found: string): KelpieError {
  return new KelpieError("digest-mismatch", "A blob has the wrong size", {
    expected: `${size} bytes`,
    found,
    where: `blob ${digest}`,
  });
}
