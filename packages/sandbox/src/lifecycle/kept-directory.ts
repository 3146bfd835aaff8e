// The directory of a sandbox that lives on: made with its record, and left behind when the start is complete.

import { join } from "node:path";
import {
  acquireFileLock,
  hostBootId,
  identifyProcess,
  KelpieError,
  type Platform,
  randomHex,
} from "@kelpie/platform";
import { keptProcess } from "../vmm/keeper/kept-files.ts";
import { idBytes, isSandboxId, sandboxesDirectory } from "./run-directory.ts";
import { friendlyName, validName } from "./sandbox-name.ts";
import { readRecord, type SandboxRecord, writeRecord } from "./sandbox-record.ts";

/** What its creator says of a sandbox. */
export type SandboxDraft = Omit<
  SandboxRecord,
  "schema" | "id" | "name" | "createdMs" | "hostBoot" | "creator" | "phase"
> & {
  /** A friendly one is made up when absent. */
  readonly name?: string;
};

/** See the file's head. Disposing it removes it, unless it was confirmed. */
export interface KeptDirectory extends AsyncDisposable {
  readonly id: string;
  readonly path: string;
  readonly record: SandboxRecord;
  /** Writes down that the machine runs. */
  confirm(): Promise<void>;
}

type Parts = Pick<Platform, "clock" | "files" | "host" | "processes" | "random">;

/** Makes the directory, mode 0700, under a name that is its own. `already-exists` where the wanted name is taken. */
export async function createKeptDirectory(
  platform: Parts,
  home: string,
  draft: SandboxDraft,
): Promise<KeptDirectory> {
  const { files, random, clock, host } = platform;
  const parent = sandboxesDirectory(home);
  await files.makeDirectory(parent, 0o700);
  if (draft.name !== undefined) validName(draft.name);
  const id = randomHex(random, idBytes);
  const path = join(parent, id);
  const purpose = "naming a sandbox";
  await using _lock = await acquireFileLock(platform, join(parent, ".lock"), { purpose, timeoutMs: 30_000 });
  const taken = await namesIn(platform, parent);
  if (draft.name !== undefined && taken.has(draft.name)) {
    throw new KelpieError("already-exists", `There is a sandbox called ${draft.name}`, {
      help: `Choose another name, or remove it: kelpie sandbox rm ${draft.name}`,
    });
  }
  const record: SandboxRecord = {
    ...draft,
    schema: 1,
    id,
    name: draft.name ?? friendlyName(random, taken),
    createdMs: Math.round(clock.nowMs()),
    hostBoot: await hostBootId(files),
    creator: await identifyProcess(files, host.pid),
    phase: { kind: "creating" },
  };
  await files.makeNewDirectory(path, 0o700);
  await writeRecord(platform, path, record);
  let isConfirmed = false;
  return {
    id,
    path,
    record,
    async confirm() {
      await writeRecord(platform, path, { ...record, phase: await readyPhase(platform, path) });
      isConfirmed = true;
    },
    async [Symbol.asyncDispose]() {
      if (!isConfirmed) await files.remove(path);
    },
  };
}

async function readyPhase({ files }: Parts, path: string): Promise<SandboxRecord["phase"]> {
  const keeper = await keptProcess(files, path, "keeper");
  const monitor = await keptProcess(files, path, "qemu");
  if (keeper !== undefined && monitor !== undefined) return { kind: "ready", keeper, monitor };
  throw new KelpieError("internal", "The keeper has not said who it is", { where: path });
}

async function namesIn(platform: Parts, parent: string): Promise<ReadonlySet<string>> {
  const names = new Set<string>();
  for (const id of (await platform.files.list(parent)).filter(isSandboxId)) {
    const record = await readRecord(platform, join(parent, id)).catch(() => undefined);
    if (record !== undefined) names.add(record.name);
  }
  return names;
}
