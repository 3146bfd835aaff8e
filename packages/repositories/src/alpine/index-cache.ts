// The index of one repository, from its mirror or from the cache: asked for anew only when it is old, and downloaded anew
// only when it has changed. What is in the cache has verified, and verifies again whenever it is read.

import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { collect } from "@kelpie/formats";
import { KelpieError, tryParseJson, writeFileAtomic } from "@kelpie/platform";
import { z } from "zod";
import {
  type Attempt,
  type DownloadPlatform,
  defaultRetry,
  defaultTimeouts,
  type HttpTimeouts,
  httpGet,
  type RetryPolicy,
  refusedStatus,
  withRetries,
} from "../http-get.ts";
import { type ApkIndex, maxIndexBytes, readIndexArchive } from "./index-archive.ts";
import type { TrustedKeys } from "./signature.ts";

/** How to come by an index. */
export interface IndexRequest {
  readonly url: string;
  readonly keys: TrustedKeys;
  /** The directory of all indexes. */
  readonly directory: string;
  /** The cache is not compared with the mirror within this time since it last was. */
  readonly maxAgeMs: number;
  /** Never asks the network. */
  readonly offline: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly timeouts?: Partial<HttpTimeouts> | undefined;
  readonly retry?: Partial<RetryPolicy> | undefined;
}

/** What the mirror said of the copy that is in the cache. */
const noteSchema = z.object({
  url: z.string(),
  etag: z.string().optional(),
  lastModified: z.string().optional(),
  checkedAtMs: z.number(),
});
type Note = z.infer<typeof noteSchema>;

interface Kept {
  readonly index: ApkIndex;
  readonly note: Note;
}

const maxNoteBytes = 65_536;

/**
 * The verified index.
 *
 * @throws KelpieError `unreachable`, `timeout`, `not-found` from the mirror; `signature-invalid`, `untrusted-key`,
 * `malformed`, `limit-exceeded` from what it sends.
 */
export async function fetchIndex(platform: DownloadPlatform, request: IndexRequest): Promise<ApkIndex> {
  const { url, maxAgeMs, offline, signal } = request;
  const kept = await readKept(platform, request);
  const ageMs = kept === undefined ? undefined : platform.clock.nowMs() - kept.note.checkedAtMs;
  if (kept !== undefined && (offline || (ageMs !== undefined && ageMs >= 0 && ageMs < maxAgeMs)))
    return kept.index;
  if (offline) {
    throw new KelpieError(
      "unreachable",
      "The cache does not have the index, and downloads are switched off",
      {
        where: url,
      },
    );
  }
  const policy = { ...defaultRetry, ...request.retry };
  return await withRetries(platform, policy, signal, () => askMirror(platform, request, kept));
}

async function askMirror(
  platform: DownloadPlatform,
  request: IndexRequest,
  kept: Kept | undefined,
): Promise<Attempt<ApkIndex>> {
  const { url, keys, signal } = request;
  const headers = kept === undefined ? {} : conditions(kept.note);
  const timeouts = { ...defaultTimeouts, ...request.timeouts };
  return await httpGet(platform, url, { headers, timeouts, signal }, async (response) => {
    const checkedAtMs = platform.clock.nowMs();
    if (response.status === 304 && kept !== undefined) {
      await writeNote(platform, request, { ...kept.note, checkedAtMs });
      return { kind: "done", value: kept.index };
    }
    if (response.status !== 200) return refusedStatus(url, response);
    const bytes = await collect(response.body, maxIndexBytes, `The index ${url}`);
    let index: ApkIndex;
    try {
      index = await readIndexArchive(bytes, keys, url);
    } catch (error) {
      // A mirror may be caught between two versions, and a transfer be damaged: another attempt tells.
      if (KelpieError.is(error) && isPerhapsDamage(error)) return { kind: "again", error };
      throw error;
    }
    await platform.files.makeDirectory(dirname(archivePath(request)));
    await writeFileAtomic(platform, archivePath(request), bytes);
    const etag = response.headers.get("etag");
    const lastModified = response.headers.get("last-modified");
    await writeNote(platform, request, {
      url,
      checkedAtMs,
      ...(etag === undefined ? {} : { etag }),
      ...(lastModified === undefined ? {} : { lastModified }),
    });
    return { kind: "done", value: index };
  });
}

function conditions({ etag, lastModified }: Note): Record<string, string> {
  return {
    ...(etag === undefined ? {} : { "if-none-match": etag }),
    ...(lastModified === undefined ? {} : { "if-modified-since": lastModified }),
  };
}

/** What the cache has, if it verifies by the keys that are trusted now. */
async function readKept(platform: DownloadPlatform, request: IndexRequest): Promise<Kept | undefined> {
  const { files } = platform;
  if ((await files.stat(archivePath(request))) === undefined) return undefined;
  if ((await files.stat(notePath(request))) === undefined) return undefined;
  try {
    const text = new TextDecoder().decode(await files.readFile(notePath(request), maxNoteBytes));
    const note = noteSchema.safeParse(tryParseJson(text)).data;
    if (note?.url !== request.url) return undefined;
    const bytes = await files.readFile(archivePath(request), maxIndexBytes);
    return { index: await readIndexArchive(bytes, request.keys, request.url), note };
  } catch (error) {
    if (KelpieError.is(error)) return undefined;
    throw error;
  }
}

async function writeNote(platform: DownloadPlatform, request: IndexRequest, note: Note): Promise<void> {
  await writeFileAtomic(platform, notePath(request), `${JSON.stringify(note)}\n`);
}

function archivePath(request: IndexRequest): string {
  return `${basePath(request)}.tar.gz`;
}

function notePath(request: IndexRequest): string {
  return `${basePath(request)}.json`;
}

function basePath({ directory, url }: IndexRequest): string {
  return join(directory, createHash("sha256").update(url).digest("hex").slice(0, 32));
}

function isPerhapsDamage({ code }: KelpieError): boolean {
  return code === "malformed" || code === "signature-invalid" || code === "limit-exceeded";
}
