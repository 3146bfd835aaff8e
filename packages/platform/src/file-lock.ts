// A lock between processes, as a file that names its holder. Node has no flock: a holder that died is found by its
// process id and start, and its lock is taken over.

import { basename, dirname, join } from "node:path";
import { KelpieError } from "./errors.ts";
import type { Platform } from "./platform.ts";
import { identifyProcess, isSameProcessAlive } from "./process-identity.ts";
import { randomHex } from "./random.ts";

/** A held lock; disposing it lets the next one in. */
export type FileLock = AsyncDisposable;

export interface FileLockOptions {
  /** What the holder does, for the message to those who wait in vain: "installing 1.0.0-20260115-a3f4d21". */
  readonly purpose: string;
  /** Default ten minutes. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Called now and then while somebody else holds the lock. */
  readonly onWait?: (holder: LockHolder) => Promise<void>;
}

/** Who holds a lock, and what for. */
export interface LockHolder {
  readonly pid: number;
  readonly purpose: string;
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
  const { purpose, timeoutMs = 600_000, signal, onWait } = options;
  const { pid, startTime } = await identifyProcess(files, host.pid);
  const content = `${pid} ${randomHex(random, 8)}.${startTime} ${purpose}\n`;
  const start = clock.monotonicMs();
  for (;;) {
    let holder: Holder | undefined;
    for (const [index, path] of paths.entries()) {
      const found = await takeFileLock(platform, path, content);
      if (found === "taken") return { index, lock: { [Symbol.asyncDispose]: () => files.remove(path) } };
      holder = found;
    }
    const waitedMs = clock.monotonicMs() - start;
    if (waitedMs > timeoutMs) {
      const others = paths.length > 1 ? ` or one of ${paths.length - 1} others` : "";
      throw new KelpieError("in-use", `Cannot lock ${paths[0] ?? "nothing"}${others}`, {
        expected: `the lock within ${timeoutMs} ms`,
        ...(holder === undefined ? {} : { found: `process ${holder.pid}, ${holder.purpose}` }),
      });
    }
    if (holder !== undefined) await onWait?.({ pid: holder.pid, purpose: holder.purpose });
    await clock.sleep(Math.min(Math.max(shortestWaitMs, waitedMs / 8), longestWaitMs), signal);
  }
}

/**
 * Removes what processes that died have left of their tries for the lock at `path`. The caller holds that lock.
 * Returns the names of the files.
 */
export async function sweepLock(platform: LockPlatform, path: string): Promise<readonly string[]> {
  const { files } = platform;
  const held = await readHolder(platform, path);
  const prefix = `${basename(path)}.`;
  const swept: string[] = [];
  for (const name of await files.list(dirname(path))) {
    const marks = name.startsWith(prefix) ? name.slice(prefix.length).split(".") : [];
    const writer = candidateForm.exec(marks.at(-1) ?? "")?.[1];
    // A claim to the lock of an earlier holder is worth nothing to anybody; one to ours would mean that we are thought dead.
    const isLeft =
      writer === undefined
        ? tokenForm.test(marks[0] ?? "") && marks[0] !== held?.token
        : !platform.processes.isAlive(Number(writer));
    if (!isLeft) continue;
    await files.remove(join(dirname(path), name));
    swept.push(name);
  }
  return swept;
}

/** `PID-RANDOM`, last in a name: a lock file that has not got its name yet. */
const candidateForm = /^(\d{1,10})-[0-9a-f]+$/;
/** First in a name, a dead holder's token: who has that file may take over that holder's lock. */
const tokenForm = /^[0-9a-f]{16}$/;

interface Holder extends LockHolder {
  /** Random, and never seen again. */
  readonly token: string;
  /** `unknown` where the file does not say. */
  readonly startTime: string;
}

/** Takes the lock, that of a dead holder too; or says who holds it, where that is known. */
async function takeFileLock(
  platform: LockPlatform,
  path: string,
  content: string,
): Promise<"taken" | Holder | undefined> {
  for (;;) {
    const holder = await readHolder(platform, path);
    if (holder === undefined) {
      if (await tryCreate(platform, path, content)) return "taken";
    } else if (await isAlive(platform, holder)) {
      return holder;
    } else if (await takeOver(platform, path, holder, content)) {
      return "taken";
    } else {
      // Somebody was faster, or is at it.
      const other = await readHolder(platform, path);
      return other?.token === holder.token ? undefined : other;
    }
  }
}

async function isAlive(platform: LockPlatform, { pid, startTime }: Holder): Promise<boolean> {
  if (startTime === "unknown") return platform.processes.isAlive(pid);
  return await isSameProcessAlive(platform, { pid, startTime });
}

/**
 * Puts our lock in the place of a dead holder's. Of those who find it dead only one may: who takes the lock at a name made
 * of the dead holder's token. As no token comes twice, the lock at `path` can be replaced by nobody else from when it was
 * seen to be the dead one's until our rename, and who comes late sees that it is another's.
 */
async function takeOver(
  platform: LockPlatform,
  path: string,
  dead: Holder,
  content: string,
): Promise<boolean> {
  const { files } = platform;
  const claim = `${path}.${dead.token}`;
  if ((await takeFileLock(platform, claim, content)) !== "taken") return false;
  try {
    if ((await readHolder(platform, path))?.token !== dead.token) return false;
    await files.rename(await writeCandidate(platform, path, content), path);
    return true;
  } finally {
    await files.remove(claim);
  }
}

/** The lock file appears with its content: a hard link to a finished file is the atomic test-and-set. */
async function tryCreate(platform: LockPlatform, path: string, content: string): Promise<boolean> {
  const { files } = platform;
  const candidate = await writeCandidate(platform, path, content);
  try {
    await files.hardLink(candidate, path);
    return true;
  } catch (error) {
    if (KelpieError.is(error) && error.code === "already-exists") return false;
    throw error;
  } finally {
    await files.remove(candidate);
  }
}

async function writeCandidate(
  { files, host, random }: LockPlatform,
  path: string,
  content: string,
): Promise<string> {
  const candidate = `${path}.${host.pid}-${randomHex(random, 6)}`;
  try {
    await using handle = await files.open(candidate, "create", 0o600);
    await handle.write(new TextEncoder().encode(content), 0);
  } catch (error) {
    await files.remove(candidate);
    throw error;
  }
  return candidate;
}

async function readHolder({ files }: LockPlatform, path: string): Promise<Holder | undefined> {
  try {
    const content = new TextDecoder().decode(await files.readFile(path, maxLockFileBytes));
    const [pid = "", mark = "", ...purpose] = content.trimEnd().split(" ");
    const [token = "", startTime = "unknown"] = mark.split(".");
    return { pid: Number.parseInt(pid, 10) || 0, token, startTime, purpose: purpose.join(" ") };
  } catch (error) {
    if (KelpieError.is(error) && error.code === "not-found") return undefined;
    throw error;
  }
}
