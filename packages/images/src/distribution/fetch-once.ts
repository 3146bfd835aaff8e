// Of several processes that want the same thing one fetches it; the others see how far it is, and one of them goes on if it
// dies.

import {
  acquireFileLock,
  KelpieError,
  type LockHolder,
  type Platform,
  readTextIfPresent,
  sweepLock,
  tryParseJson,
} from "@kelpie/platform";
import { z } from "zod";
import type { OnTransfer, TransferProgress } from "./progress.ts";

/** Another process may be at it over a slow line. */
const longestWaitMs = 3_600_000;
/** No reader looks more often. */
const shownEveryMs = 100;
const maxProgressBytes = 512;

const bytes = z.int().nonnegative();
const progressSchema = z.strictObject({
  pid: z.int().positive(),
  doneBytes: bytes,
  totalBytes: bytes,
  networkBytes: bytes,
});

export interface FetchOnce {
  readonly platform: Platform;
  /** Named after what is fetched. Its directory exists. */
  readonly lockPath: string;
  /** What we do, for those who wait: "pulling ghcr.io/org/image:1.0". */
  readonly purpose: string;
  /** Told of our own progress, or of that of the process that we wait for. */
  readonly onProgress?: OnTransfer | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs `work` while no other process runs its own for the same lock. `work` looks first whether another has done it
 * meanwhile, and reports its progress to the function that it is given.
 *
 * @throws KelpieError `in-use`, naming who has it, after an hour; `cancelled`.
 */
export async function fetchOnce<T>(
  { platform, lockPath, purpose, onProgress, signal }: FetchOnce,
  work: (onProgress: OnTransfer) => Promise<T>,
): Promise<T> {
  const { files, host } = platform;
  const path = `${lockPath}.progress`;
  await using _lock = await acquireFileLock(platform, lockPath, {
    purpose,
    timeoutMs: longestWaitMs,
    ...(signal === undefined ? {} : { signal }),
    onWait: async (holder) => onProgress?.(await progressOf(platform, path, holder)),
  });
  await sweepLock(platform, lockPath);
  const shown = new ShownProgress(platform, path, host.pid);
  try {
    return await work((progress) => {
      onProgress?.(progress);
      shown.show(progress);
    });
  } finally {
    await shown.finish();
    await files.remove(path);
  }
}

/** What the holder says of itself; nothing done of nothing where it has not said anything yet. */
async function progressOf(
  { files }: Pick<Platform, "files">,
  path: string,
  holder: LockHolder,
): Promise<TransferProgress> {
  const text = await readTextIfPresent(files, path, maxProgressBytes);
  const { data } = progressSchema.safeParse(text === undefined ? undefined : tryParseJson(text));
  if (data?.pid !== holder.pid) return { doneBytes: 0, totalBytes: 0, networkBytes: 0, by: holder };
  const { pid: _pid, ...progress } = data;
  return { ...progress, by: holder };
}

/** Our progress, for others to read. Written in place: who reads half of it looks again. */
class ShownProgress {
  readonly #platform: Platform;
  readonly #path: string;
  readonly #pid: number;
  #writing = Promise.resolve();
  #nextMs = Number.NEGATIVE_INFINITY;

  constructor(platform: Platform, path: string, pid: number) {
    this.#platform = platform;
    this.#path = path;
    this.#pid = pid;
  }

  show({ doneBytes, totalBytes, networkBytes }: TransferProgress): void {
    const now = this.#platform.clock.monotonicMs();
    if (now < this.#nextMs) return;
    this.#nextMs = now + shownEveryMs;
    const text = JSON.stringify({ pid: this.#pid, doneBytes, totalBytes, networkBytes });
    this.#writing = this.#writing.then(() => this.#write(text));
  }

  async finish(): Promise<void> {
    await this.#writing;
  }

  /** To be seen is a convenience: what the disk refuses here hinders nothing. */
  async #write(text: string): Promise<void> {
    try {
      await using handle = await this.#platform.files.open(this.#path, "replace", 0o644);
      await handle.write(new TextEncoder().encode(text), 0);
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
    }
  }
}
