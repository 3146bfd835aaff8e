// The directory of a running sandbox: made for it alone, gone with it, and swept up after an owner that was killed.

import { join } from "node:path";
import { type Platform, randomHex, readTextIfPresent } from "@kelpie/platform";

const idBytes = 4;
const ownerFile = "owner";
const maxTextBytes = 4096;
const newDirectoryGraceMs = 60_000;

type Parts = Pick<Platform, "files" | "random" | "processes" | "host" | "clock">;

/** A directory under `KELPIE_HOME/sandboxes`, mode 0700. Disposing it removes it. */
export interface RunDirectory extends AsyncDisposable {
  readonly id: string;
  readonly path: string;
}

/** Makes a directory for one sandbox, and sweeps up what owners that are gone have left. */
export async function createRunDirectory(platform: Parts, home: string): Promise<RunDirectory> {
  const { files, random, host } = platform;
  const parent = join(home, "sandboxes");
  await files.makeDirectory(parent, 0o700);
  await sweepRunDirectories(platform, home);
  const id = randomHex(random, idBytes);
  const path = join(parent, id);
  await files.makeNewDirectory(path, 0o700);
  await using owner = await files.open(join(path, ownerFile), "create", 0o600);
  await owner.write(Buffer.from(await ownerRecord(platform, host.pid)), 0);
  return { id, path, [Symbol.asyncDispose]: () => files.remove(path) };
}

/** Removes the directories of owners that are gone. Returns their ids. */
export async function sweepRunDirectories(platform: Parts, home: string): Promise<string[]> {
  const { files } = platform;
  const parent = join(home, "sandboxes");
  const swept: string[] = [];
  for (const id of await files.list(parent)) {
    const path = join(parent, id);
    if (await isAbandoned(platform, path)) {
      await files.remove(path);
      swept.push(id);
    }
  }
  return swept;
}

async function isAbandoned(platform: Parts, path: string): Promise<boolean> {
  const { files, processes, clock } = platform;
  const record = await readTextIfPresent(platform.files, join(path, ownerFile), maxTextBytes);
  const pid = Number(record?.split(" ")[0]);
  if (record === undefined || !Number.isSafeInteger(pid) || pid <= 0) {
    // Another process may be about to write its record.
    const status = await files.lstat(path);
    return status !== undefined && clock.nowMs() - status.mtimeMs > newDirectoryGraceMs;
  }
  return !processes.isAlive(pid) || record !== (await ownerRecord(platform, pid));
}

/** A process id may be used again, so the time of its start (Linux: field 22 of /proc/PID/stat) goes with it. */
async function ownerRecord(platform: Parts, pid: number): Promise<string> {
  const status = await readTextIfPresent(platform.files, `/proc/${pid}/stat`, maxTextBytes);
  // The second field, the program's name in parentheses, may have spaces.
  const startTime = status?.slice(status.lastIndexOf(")") + 2).split(" ")[19];
  return `${pid} ${startTime ?? "unknown"}`;
}
