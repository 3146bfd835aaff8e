// The directory of a running sandbox: made for it alone, gone with it, and swept up after an owner that was killed.

import { join } from "node:path";
import {
  identifyProcess,
  isSameProcessAlive,
  type Platform,
  type ProcessIdentity,
  randomHex,
  readTextIfPresent,
} from "@kelpie/platform";
import { hasRecord } from "./sandbox-record.ts";

/** Of a sandbox's id, which is shown in hexadecimal. */
export const idBytes = 4;
const idPattern = /^[0-9a-f]{8}$/;
const ownerFile = "owner";
const maxTextBytes = 4096;
const newDirectoryGraceMs = 60_000;

type Parts = Pick<Platform, "files" | "random" | "processes" | "host" | "clock">;

/** A directory under `KELPIE_HOME/sandboxes`, mode 0700. Disposing it removes it. */
export interface RunDirectory extends AsyncDisposable {
  readonly id: string;
  readonly path: string;
}

/** Where all sandboxes of a KELPIE_HOME have their directories. */
export function sandboxesDirectory(home: string): string {
  return join(home, "sandboxes");
}

/** Whether an entry there is a sandbox's directory by its name. */
export function isSandboxId(name: string): boolean {
  return idPattern.test(name);
}

/** Makes a directory for one sandbox, and sweeps up what owners that are gone have left. */
export async function createRunDirectory(platform: Parts, home: string): Promise<RunDirectory> {
  const { files, random, host } = platform;
  const parent = sandboxesDirectory(home);
  await files.makeDirectory(parent, 0o700);
  await sweepRunDirectories(platform, home);
  const id = randomHex(random, idBytes);
  const path = join(parent, id);
  await files.makeNewDirectory(path, 0o700);
  await using owner = await files.open(join(path, ownerFile), "create", 0o600);
  await owner.write(Buffer.from(ownerText(await identifyProcess(files, host.pid))), 0);
  return { id, path, [Symbol.asyncDispose]: () => files.remove(path) };
}

/** Removes the directories of owners that are gone. Sandboxes that live on are not its business. Returns their ids. */
export async function sweepRunDirectories(platform: Parts, home: string): Promise<string[]> {
  const abandoned = await abandonedRunDirectories(platform, home);
  for (const id of abandoned) await platform.files.remove(join(sandboxesDirectory(home), id));
  return abandoned;
}

/** The ids of directories whose owners are gone. */
export async function abandonedRunDirectories(platform: Parts, home: string): Promise<string[]> {
  const parent = sandboxesDirectory(home);
  if ((await platform.files.stat(parent)) === undefined) return [];
  const abandoned: string[] = [];
  for (const id of (await platform.files.list(parent)).filter(isSandboxId)) {
    if (await isAbandoned(platform, join(parent, id))) abandoned.push(id);
  }
  return abandoned;
}

async function isAbandoned(platform: Parts, path: string): Promise<boolean> {
  const { files, clock } = platform;
  const text = await readTextIfPresent(files, join(path, ownerFile), maxTextBytes);
  const owner = text === undefined ? undefined : parseOwner(text);
  if (owner !== undefined) return !(await isSameProcessAlive(platform, owner));
  if (await hasRecord(platform, path)) return false;
  // Another process may be about to write its record.
  const status = await files.lstat(path);
  return status !== undefined && clock.nowMs() - status.mtimeMs > newDirectoryGraceMs;
}

function ownerText({ pid, startTime }: ProcessIdentity): string {
  return `${pid} ${startTime}`;
}

/** Undefined while its process is still writing it. */
function parseOwner(text: string): ProcessIdentity | undefined {
  const [pid = "", startTime] = text.trim().split(" ");
  return startTime === undefined ? undefined : { pid: Number(pid), startTime };
}
