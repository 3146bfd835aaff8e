// A file from the network into the cache: bounded, resumed, retried, verified, and only then visible.

import { createHash, type Hash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { type FileHandle, KelpieError, randomHex } from "@kelpie/platform";
import {
  type Attempt,
  type DownloadPlatform,
  defaultRetry,
  defaultTimeouts,
  type GuardedResponse,
  type HttpTimeouts,
  httpGet,
  type RetryPolicy,
  refusedStatus,
  withRetries,
} from "./http-get.ts";

/** What to download, where to keep it, and how to know that it is right. */
export interface DownloadRequest {
  readonly url: string;
  /** The exact size, where a verified index states it. */
  readonly sizeBytes?: number;
  /** No more than this is ever received. */
  readonly maxBytes: number;
  /** In hexadecimal, from a verified index. */
  readonly sha256?: string;
  /** A check beyond size and digest, of the file at `path`; throws where it is not what it must be. */
  readonly verify?: (path: string) => Promise<void>;
  /** The file that appears, whole and verified. Its directory is made. */
  readonly cachePath: string;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((receivedBytes: number, totalBytes: number | undefined) => void) | undefined;
  readonly timeouts?: Partial<HttpTimeouts> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
  /**
   * What has arrived is kept where the transfer fails, and the next one goes on from there. The caller holds a lock on
   * `cachePath`, and states `sha256`.
   */
  readonly isResumable?: boolean;
  /** Never asks the network: `unreachable` if the cache does not have it. */
  readonly offline?: boolean;
}

const readBytes = 1 << 20;

/**
 * Leaves the content at `cachePath`. What stands there already is verified and kept, or thrown away if it is not right.
 * A broken transfer is resumed where it broke; content that does not verify is downloaded anew, and never gets the name.
 *
 * @throws KelpieError `digest-mismatch`, what `verify` throws, `limit-exceeded`, `not-found`, `permission-denied`,
 * `unreachable`, `timeout`, `cancelled`, `disk-full`.
 */
export async function downloadVerified(platform: DownloadPlatform, request: DownloadRequest): Promise<void> {
  const { files, random } = platform;
  const { cachePath, url, signal } = request;
  if (await isKept(platform, request)) return;
  if (request.offline === true) {
    throw new KelpieError("unreachable", "The cache does not have it, and downloads are switched off", {
      where: url,
    });
  }
  await files.makeDirectory(dirname(cachePath));
  const isResumable = request.isResumable === true && request.sha256 !== undefined;
  const mark = isResumable ? "" : `.${randomHex(random, 6)}`;
  const partial = join(dirname(cachePath), `.${basename(cachePath)}${mark}.partial`);
  try {
    {
      const isThere = isResumable && (await files.stat(partial)) !== undefined;
      await using handle = await files.open(partial, isThere ? "update" : "create", 0o644);
      const transfer = new Transfer(platform, request, handle, partial);
      if (isThere) await transfer.adopt();
      const policy = { ...defaultRetry, ...request.retry };
      await withRetries(platform, policy, signal, () => transfer.attempt());
      await handle.sync();
    }
    await files.rename(partial, cachePath);
    await files.syncDirectory(dirname(cachePath));
  } catch (error) {
    const isBroken = KelpieError.is(error) && interrupted.includes(error.code);
    if (!isResumable || !isBroken) await files.remove(partial);
    throw error;
  }
}

/** What says nothing against the bytes that have come. */
const interrupted: readonly string[] = ["unreachable", "timeout", "cancelled"];

/** Whether the cache has it; what it has wrongly is removed. */
async function isKept({ files }: DownloadPlatform, request: DownloadRequest): Promise<boolean> {
  const { cachePath } = request;
  const status = await files.stat(cachePath);
  if (status === undefined) return false;
  try {
    await checkFile({ files }, request, cachePath, status.sizeBytes);
    return true;
  } catch (error) {
    if (!KelpieError.is(error) || error.code === "cancelled") throw error;
    await files.remove(cachePath);
    return false;
  }
}

async function checkFile(
  { files }: Pick<DownloadPlatform, "files">,
  request: DownloadRequest,
  path: string,
  sizeBytes: number,
): Promise<void> {
  checkSize(request, sizeBytes);
  if (request.sha256 !== undefined) {
    await using handle = await files.open(path, "read");
    const hash = createHash("sha256");
    const buffer = new Uint8Array(Math.min(readBytes, Math.max(1, sizeBytes)));
    for (let position = 0; position < sizeBytes; ) {
      const count = await handle.read(buffer, position);
      if (count === 0) break;
      hash.update(buffer.subarray(0, count));
      position += count;
    }
    checkDigest(request, hash);
  }
  await request.verify?.(path);
}

function checkSize({ url, sizeBytes }: DownloadRequest, found: number): void {
  if (sizeBytes === undefined || sizeBytes === found) return;
  throw new KelpieError("digest-mismatch", "A download has the wrong size", {
    expected: `${sizeBytes} bytes`,
    found: `${found} bytes`,
    where: url,
  });
}

function checkDigest({ url, sha256 }: DownloadRequest, hash: Hash): void {
  const found = hash.digest("hex");
  if (sha256 === undefined || found === sha256.toLowerCase()) return;
  throw new KelpieError("digest-mismatch", "A download is not what the index says", {
    expected: `sha256 ${sha256}`,
    found: `sha256 ${found}`,
    where: url,
  });
}

/** The attempts at one file: what has arrived so far survives from one to the next. */
class Transfer {
  readonly #platform: DownloadPlatform;
  readonly #request: DownloadRequest;
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #limitBytes: number;
  #hash = createHash("sha256");
  #receivedBytes = 0;
  /** The strong name of the content that a resumed transfer must still have. */
  #validator: string | undefined;

  constructor(platform: DownloadPlatform, request: DownloadRequest, handle: FileHandle, path: string) {
    this.#platform = platform;
    this.#request = request;
    this.#handle = handle;
    this.#path = path;
    this.#limitBytes = Math.min(request.maxBytes, request.sizeBytes ?? request.maxBytes);
  }

  /** Takes over what an earlier transfer has left. */
  async adopt(): Promise<void> {
    const { sizeBytes } = await this.#handle.stat();
    // That is something else.
    if (sizeBytes > this.#limitBytes) return;
    const buffer = new Uint8Array(Math.min(readBytes, Math.max(1, sizeBytes)));
    for (let count = 1; count > 0 && this.#receivedBytes < sizeBytes; ) {
      count = await this.#handle.read(buffer, this.#receivedBytes);
      this.#hash.update(buffer.subarray(0, count));
      this.#receivedBytes += count;
    }
  }

  async attempt(): Promise<Attempt<undefined>> {
    const { url, signal, timeouts, sha256 } = this.#request;
    // Without a validator a resumed half could belong to other content: then only a stated digest makes it safe.
    const canResume = this.#receivedBytes > 0 && (this.#validator !== undefined || sha256 !== undefined);
    if (!canResume) this.#restart();
    if (!this.#isWhole()) {
      const headers = this.#rangeHeaders();
      const options = { headers, timeouts: { ...defaultTimeouts, ...timeouts }, signal };
      const outcome = await httpGet(this.#platform, url, options, (response) => this.#receive(response));
      if (outcome.kind === "again") return outcome;
    }
    try {
      checkSize(this.#request, this.#receivedBytes);
      checkDigest(this.#request, this.#hash.copy());
      await this.#request.verify?.(this.#path);
    } catch (error) {
      if (signal?.aborted === true || !KelpieError.is(error)) throw error;
      this.#restart();
      return { kind: "again", error };
    }
    return { kind: "done", value: undefined };
  }

  #isWhole(): boolean {
    const { sizeBytes, sha256 } = this.#request;
    if (sizeBytes !== undefined) return this.#receivedBytes >= sizeBytes;
    return this.#receivedBytes > 0 && this.#hash.copy().digest("hex") === sha256;
  }

  #restart(): void {
    this.#receivedBytes = 0;
    this.#hash = createHash("sha256");
    this.#validator = undefined;
  }

  #rangeHeaders(): Record<string, string> {
    if (this.#receivedBytes === 0) return {};
    return {
      range: `bytes=${this.#receivedBytes}-`,
      ...(this.#validator === undefined ? {} : { "if-range": this.#validator }),
    };
  }

  async #receive(response: GuardedResponse): Promise<Attempt<undefined>> {
    const { url, onProgress, sizeBytes } = this.#request;
    if (response.status === 206) {
      const start = /^bytes (\d{1,15})-/.exec(response.headers.get("content-range") ?? "")?.[1];
      if (start === undefined || Number(start) !== this.#receivedBytes) {
        this.#restart();
        return { kind: "again", error: wrongRange(url, response) };
      }
    } else if (response.status === 200) {
      this.#restart();
      this.#validator = strongValidator(response);
    } else if (response.status === 416) {
      this.#restart();
      return { kind: "again", error: wrongRange(url, response) };
    } else {
      return refusedStatus(url, response);
    }
    const length = contentLength(response);
    const total = length === undefined ? sizeBytes : this.#receivedBytes + length;
    if (total !== undefined && total > this.#request.maxBytes)
      throw tooLarge(this.#request, `${total} bytes`);
    await this.#handle.truncate(this.#receivedBytes);
    for await (const chunk of response.body) {
      if (this.#receivedBytes + chunk.length > this.#limitBytes)
        return this.#tooMuch(this.#receivedBytes + chunk.length);
      await this.#handle.write(chunk, this.#receivedBytes);
      this.#hash.update(chunk);
      this.#receivedBytes += chunk.length;
      onProgress?.(this.#receivedBytes, total);
    }
    if (total !== undefined && this.#receivedBytes < total) {
      const details = { expected: `${total} bytes`, found: `${this.#receivedBytes} bytes`, where: url };
      const error = new KelpieError("unreachable", "The connection ended before the file did", details);
      return { kind: "again", error };
    }
    return { kind: "done", value: undefined };
  }

  /** A file larger than the index says is other content, which another attempt may mend; one above our bound is not. */
  #tooMuch(foundBytes: number): Attempt<never> {
    if (foundBytes > this.#request.maxBytes) throw tooLarge(this.#request, `more than that`);
    this.#restart();
    const details = {
      expected: `${this.#limitBytes} bytes`,
      found: "more than that",
      where: this.#request.url,
    };
    return {
      kind: "again",
      error: new KelpieError("digest-mismatch", "A download has the wrong size", details),
    };
  }
}

function strongValidator(response: GuardedResponse): string | undefined {
  const tag = response.headers.get("etag");
  return tag?.startsWith('"') === true ? tag : undefined;
}

function contentLength(response: GuardedResponse): number | undefined {
  const text = response.headers.get("content-length") ?? "";
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

function wrongRange(url: string, response: GuardedResponse): KelpieError {
  return new KelpieError("unreachable", "The server does not resume where we asked", {
    found: `HTTP status ${response.status}, content-range ${response.headers.get("content-range") ?? "absent"}`,
    where: url,
  });
}

function tooLarge({ url, maxBytes }: DownloadRequest, found: string): KelpieError {
  return new KelpieError("limit-exceeded", "A download is larger than it may be", {
    expected: `at most ${maxBytes} bytes`,
    found,
    where: url,
  });
}
