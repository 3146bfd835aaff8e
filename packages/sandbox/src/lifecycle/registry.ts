// The sandboxes of a KELPIE_HOME that live on: listed, found by name or id, and cleaned up.

import { join } from "node:path";
import { describeError, hostBootId, KelpieError, type Platform } from "@kelpie/platform";
import { keptProcess } from "../vmm/keeper/kept-files.ts";
import { endKeeper } from "../vmm/keeper/keeper.ts";
import { abandonedRunDirectories, isSandboxId, sandboxesDirectory } from "./run-directory.ts";
import { hasRecord, readRecord, type SandboxRecord } from "./sandbox-record.ts";
import { isLive, type SandboxState, sandboxState } from "./sandbox-state.ts";

/** Beyond a time to live, which counts from the end of the start. */
const lateMs = 300_000;

/** A sandbox as it is now. */
export interface SandboxEntry {
  readonly id: string;
  readonly directory: string;
  /** Undefined where it cannot be read: `state` says why. */
  readonly record: SandboxRecord | undefined;
  readonly state: SandboxState;
}

/** A sandbox with a record. */
export type KnownSandbox = SandboxEntry & { readonly record: SandboxRecord };

type Parts = Pick<Platform, "clock" | "files" | "host" | "network" | "processes" | "random">;

/** All sandboxes that were made to live on, oldest first. */
export async function listSandboxes(platform: Parts, home: string): Promise<SandboxEntry[]> {
  const parent = sandboxesDirectory(home);
  if ((await platform.files.stat(parent)) === undefined) return [];
  const hostBoot = await hostBootId(platform.files);
  const ids = (await platform.files.list(parent)).filter(isSandboxId);
  const entries = await Promise.all(ids.map((id) => readEntry(platform, join(parent, id), id, hostBoot)));
  return entries
    .filter((entry) => entry !== undefined)
    .sort((a, b) => (a.record?.createdMs ?? 0) - (b.record?.createdMs ?? 0));
}

/** The sandbox that `reference` names: by its name, its id or the beginning of one. @throws KelpieError `not-found`. */
export async function findSandbox(platform: Parts, home: string, reference: string): Promise<KnownSandbox> {
  const entry = await findEntry(platform, home, reference);
  const { id, record, state } = entry;
  if (record !== undefined) return { ...entry, record };
  throw new KelpieError("malformed", `Sandbox ${id} cannot be used`, {
    found: "reason" in state ? state.reason : "no record",
    help: `Remove it: kelpie sandbox rm ${id}`,
  });
}

/** As {@link findSandbox}, and one whose record is damaged too, by its id. */
export async function findEntry(platform: Parts, home: string, reference: string): Promise<SandboxEntry> {
  const parent = sandboxesDirectory(home);
  const isThere = (await platform.files.stat(parent)) !== undefined;
  const ids = isThere ? (await platform.files.list(parent)).filter(isSandboxId) : [];
  const found: string[] = [];
  for (const id of ids) {
    const record = await readRecord(platform, join(parent, id)).catch(() => undefined);
    if (id === reference || record?.name === reference) {
      found.splice(0, found.length, id);
      break;
    }
    const isBeginning = reference.length >= 2 && id.startsWith(reference);
    if (isBeginning && (await hasRecord(platform, join(parent, id)))) found.push(id);
  }
  const [id] = found;
  if (id === undefined || found.length > 1) throw notOne(reference, found);
  const entry = await readEntry(platform, join(parent, id), id, await hostBootId(platform.files));
  if (entry === undefined) throw notOne(reference, []);
  return entry;
}

function notOne(reference: string, found: readonly string[]): KelpieError {
  return found.length > 1
    ? new KelpieError("usage", `More than one sandbox begins with ${JSON.stringify(reference)}`, {
        found: found.join(", "),
      })
    : new KelpieError("not-found", `There is no sandbox ${JSON.stringify(reference.slice(0, 100))}`, {
        help: "See what there is: kelpie sandbox list",
      });
}

async function readEntry(
  platform: Parts,
  directory: string,
  id: string,
  hostBoot: string,
): Promise<SandboxEntry | undefined> {
  try {
    const record = await readRecord(platform, directory);
    if (record === undefined) return undefined;
    return { id, directory, record, state: await sandboxState(platform, directory, record, hostBoot) };
  } catch (error) {
    // It goes while we look.
    if ((await platform.files.lstat(directory)) === undefined) return undefined;
    return { id, directory, record: undefined, state: { kind: "failed", reason: describeError(error) } };
  }
}

/** Ends what runs of a sandbox, at once, and removes all that is left of it. */
export async function removeSandbox(
  platform: Parts,
  { directory }: Pick<SandboxEntry, "directory">,
): Promise<void> {
  const { files, processes } = platform;
  const keeper = await keptProcess(files, directory, "keeper").catch(() => undefined);
  if (keeper !== undefined) {
    await endKeeper(platform, keeper);
    // A keeper that was killed has left sleepers. Its group's id is nobody else's while they live.
    if (!processes.isAlive(keeper.pid)) processes.signal(-keeper.pid, "SIGKILL");
  }
  await files.remove(directory);
}

/** What {@link collectGarbage} removes, and why. */
export interface Garbage {
  readonly id: string;
  readonly name: string | undefined;
  readonly directory: string;
  readonly reason: string;
}

/**
 * Removes what no longer lives: stopped, failed and lost sandboxes, what is past its time to live, and directories of
 * commands that were killed. With `dryRun` it only says so.
 */
export async function collectGarbage(platform: Parts, home: string, dryRun: boolean): Promise<Garbage[]> {
  const nowMs = platform.clock.nowMs();
  const garbage: Garbage[] = [];
  for (const entry of await listSandboxes(platform, home)) {
    const reason = garbageReason(entry, nowMs);
    if (reason === undefined) continue;
    garbage.push({ id: entry.id, name: entry.record?.name, directory: entry.directory, reason });
  }
  for (const id of await abandonedRunDirectories(platform, home)) {
    const directory = join(sandboxesDirectory(home), id);
    garbage.push({ id, name: undefined, directory, reason: "the command that it belonged to was killed" });
  }
  if (!dryRun) await Promise.all(garbage.map((entry) => removeSandbox(platform, entry)));
  return garbage;
}

function garbageReason({ record, state }: SandboxEntry, nowMs: number): string | undefined {
  if (!isLive(state)) return "reason" in state ? `${state.kind}: ${state.reason}` : state.kind;
  // Its keeper ends it; this is for one whose host slept meanwhile.
  const isOver = record?.ttlMs !== undefined && record.createdMs + record.ttlMs + lateMs < nowMs;
  return isOver && state.kind !== "creating" ? "past its time to live" : undefined;
}
