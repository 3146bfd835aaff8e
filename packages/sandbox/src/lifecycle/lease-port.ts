// One of a sandbox's agent ports for one user: a port has one session at a time, and any number of processes ask.

import { join } from "node:path";
import { acquireAnyFileLock, type FileLock, KelpieError, type Platform } from "@kelpie/platform";
import { keeperFiles } from "../vmm/keeper/keeper-script.ts";

/** A port that nobody else has until it is disposed. */
export interface PortLease extends AsyncDisposable {
  readonly index: number;
}

type Parts = Pick<Platform, "clock" | "files" | "host" | "processes" | "random">;

/** Waits in line for a free port. `in-use` after `waitMs`. */
export async function leasePort(
  platform: Parts,
  { directory, ports, name, waitMs, signal }: LeaseOptions,
): Promise<PortLease> {
  // Not always the first: a port that was left just now may still be settling.
  const [byte = 0] = platform.random.bytes(1);
  const indexes = Array.from({ length: ports }, (_, index) => (byte + index) % ports);
  const paths = indexes.map((index) => join(directory, `agent.${index}.lock`));
  try {
    const purpose = "talking to a sandbox";
    const { index: place, lock } = await acquireAnyFileLock(platform, paths, {
      purpose,
      timeoutMs: waitMs,
      signal,
    });
    await markActivity(platform, directory);
    return { index: indexes[place] ?? 0, [Symbol.asyncDispose]: () => release(platform, directory, lock) };
  } catch (cause) {
    if (!KelpieError.is(cause) || cause.code !== "in-use") throw cause;
    throw new KelpieError("in-use", `Sandbox ${name} has no free port`, {
      expected: `one of ${ports} within ${waitMs / 1000} s`,
      found: "as many commands at work",
      cause,
    });
  }
}

export interface LeaseOptions {
  readonly directory: string;
  readonly ports: number;
  /** The sandbox's, for people. */
  readonly name: string;
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

async function release(platform: Parts, directory: string, lock: FileLock): Promise<void> {
  await lock[Symbol.asyncDispose]();
  await markActivity(platform, directory);
}

/** The keeper's idle timeout counts from here. The directory may be gone with its sandbox. */
async function markActivity({ files, clock }: Parts, directory: string): Promise<void> {
  const path = join(directory, keeperFiles.activity);
  try {
    await files.setModifiedTime(path, clock.nowMs());
  } catch {
    const file = await files.open(path, "replace", 0o600).catch(() => undefined);
    await file?.close();
  }
}
