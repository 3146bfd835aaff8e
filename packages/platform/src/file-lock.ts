// A lock between processes, as a file that names its holder. Node has no flock: a holder that died is found by its
// process id, and its lock is broken.

import { KelpieError } from "./errors.ts";
import type { Platform } from "./platform.ts";
import { randomHex } from "./random.ts";

/** A held lock; disposing it lets the next one in. */
export type FileLock = AsyncDisposable;

export interface FileLockOptions {
  /** What the holder does, for the message to those who wait in vain: "installing 1.0.0-20260115-a3f4d21". */
  readonly purpose: string;
  /** Default ten minutes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

type LockPlatform = Pick<Platform, "clock" | "files" | "host" | "processes" | "random">;

const maxLockFileBytes = 4096;
const shortestWaitMs = 2;
const longestWaitMs = 100;

/**
 * Waits for the lock at `path` and takes it. The directory must exist.
 *
 * @throws KelpieError `in-use`, naming the holder, after `timeoutMs`.
 */
export async function acquireFileLock(
  platform: LockPlatform,
  path: string,
  options: FileLockOptions,
): Promise<FileLock> {
  return (await acquireAnyFileLock(platform, [path], options)).lock;
}

/**
 * Takes the first of the locks at `paths` that is free, and waits until one is.
 *
 * @throws KelpieError `in-use`, naming a holder, after `timeoutMs`.
 */
export async function acquireAnyFileLock(
  platform: LockPlatform,
  paths: readonly string[],
  options: FileLockOptions,
): Promise<{ readonly index: number; readonly lock: FileLock }> {
  const { clock, files, host, random } = platform;
  const { purpose, timeoutMs = 600_000, signal } = options;
  const content = `${host.pid} ${randomHex(random, 8)} ${purpose}\n`;
  const start = clock.monotonicMs();
  for (let waitMs = shortestWaitMs; ; waitMs = Math.min(2 * waitMs, longestWaitMs)) {
    let holder: Holder | undefined;
    for (const [index, path] of paths.entries()) {
      const found = await takeFileLock(platform, path, content);
      if (found === "taken") return { index, lock: { [Symbol.asyncDispose]: () => files.remove(path) } };
      holder = found;
    }
    if (clock.monotonicMs() - start > timeoutMs) {
      const others = paths.length > 1 ? ` or one of ${paths.length - 1} others` : "";
      throw new KelpieError("in-use", `Cannot lock ${paths[0] ?? "nothing"}${others}`, {
        expected: `the lock within ${timeoutMs} ms`,
        ...(holder === undefined ? {} : { found: `process ${holder.pid}, ${holder.purpose}` }),
      });
    }
    await clock.sleep(waitMs, signal);
  }
}

/** Takes the lock, that of a dead holder too; or says who holds it. */
async function takeFileLock(
  platform: LockPlatform,
  path: string,
  content: string,
): Promise<"taken" | Holder | undefined> {
  for (;;) {
    const holder = await readHolder(platform, path);
    if (holder !== undefined) {
      if (platform.processes.isAlive(holder.pid)) return holder;
      await breakLock(platform, path, holder.content);
    }
    if (await tryCreate(platform, path, content)) return "taken";
  }
}

/** The lock file appears with its content: a hard link to a finished file is the atomic test-and-set. */
async function tryCreate({ files, random }: LockPlatform, path: string, content: string): Promise<boolean> {
  const candidate = `${path}.${randomHex(random, 6)}`;
  try {
    {
      await using handle = await files.open(candidate, "create", 0o600);
      await handle.write(new TextEncoder().encode(content), 0);
    }
    await files.hardLink(candidate, path);
    return true;
  } catch (error) {
    if (KelpieError.is(error) && error.code === "already-exists") return false;
    throw error;
  } finally {
    await files.remove(candidate);
  }
}

interface Holder {
  readonly pid: number;
  readonly purpose: string;
  readonly content: string;
}

async function readHolder({ files }: LockPlatform, path: string): Promise<Holder | undefined> {
  try {
    const content = new TextDecoder().decode(await files.readFile(path, maxLockFileBytes));
    const [pid = "", , ...purpose] = content.trimEnd().split(" ");
    return { pid: Number.parseInt(pid, 10) || 0, purpose: purpose.join(" "), content };
  } catch (error) {
    if (KelpieError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}

/** Takes away the lock of a dead process, and only that one: another may have broken it and taken its own meanwhile. */
async function breakLock(platform: LockPlatform, path: string, expected: string): Promise<void> {
  const { files, random } = platform;
  const aside = `${path}.${randomHex(random, 6)}`;
  try {
    await files.rename(path, aside);
  } catch (error) {
    if (KelpieError.is(error) && error.code === "not-found") return;
    throw error;
  }
  const taken = await readHolder(platform, aside);
  if (taken !== undefined && taken.content !== expected) await files.hardLink(aside, path);
  await files.remove(aside);
}
