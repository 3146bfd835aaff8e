// What sandboxes use, as the command prints it.

import { describeError, type KelpieError } from "@kelpie/platform";
import { findSandbox, type KnownSandbox, listSandboxes, Sandbox, sandboxHealth } from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";
import type { SandboxStatsJson } from "./json/sandbox-stats.ts";
import { jsonText } from "./output/json.ts";
import { formatDuration } from "./output/sandbox-view.ts";
import { formatSize } from "./output/size.ts";
import { formatTable } from "./output/table.ts";

const titles = ["NAME", "UP", "LOAD", "MEMORY", "DISK", "PROCESSES", "SESSIONS"];

type Stats = SandboxStatsJson["sandboxes"][number];

/** How to print. */
export interface StatsOptions {
  /** Again and again, this far apart. */
  readonly everyMs: number | undefined;
  readonly json: boolean;
}

/** Prints what the named sandboxes use; all that run, where none is named. */
export async function printStats(
  context: CommandContext,
  references: readonly string[],
  { everyMs, json }: StatsOptions,
): Promise<void> {
  const { platform, terminal, signal } = context;
  for (;;) {
    const stats = await Promise.all((await chosen(context, references)).map((one) => statsOf(context, one)));
    terminal.stdout.write(
      json ? jsonText<SandboxStatsJson>({ sandboxes: stats }, "line") : formatTable(titles, stats.map(row)),
    );
    if (everyMs === undefined) return;
    await platform.clock.sleep(everyMs, signal);
  }
}

async function chosen(
  { platform, home }: CommandContext,
  references: readonly string[],
): Promise<readonly KnownSandbox[]> {
  if (references.length > 0) {
    return await Promise.all(references.map((reference) => findSandbox(platform, home, reference)));
  }
  const entries = await listSandboxes(platform, home);
  return entries.flatMap(({ record, ...rest }) =>
    record !== undefined && rest.state.kind === "running" ? [{ ...rest, record }] : [],
  );
}

async function statsOf({ platform, home, signal }: CommandContext, one: KnownSandbox): Promise<Stats> {
  const { id, record } = one;
  try {
    await using sandbox = await Sandbox.open(id, { platform, home, signal });
    return { id, name: record.name, health: await sandboxHealth(sandbox, signal) };
  } catch (error) {
    if (signal.aborted) throw error as KelpieError;
    return { id, name: record.name, error: describeError(error) };
  }
}

function row({ name, health, error }: Stats): string[] {
  if (health === undefined) return [name, error ?? ""];
  const { uptimeMs, load, memoryTotal, memoryAvailable, diskTotal, diskAvailable, processes, sessions } =
    health;
  return [
    name,
    formatDuration(uptimeMs),
    load.toFixed(2),
    `${formatSize(memoryTotal - memoryAvailable)} of ${formatSize(memoryTotal)}`,
    `${formatSize(diskTotal - diskAvailable)} of ${formatSize(diskTotal)}`,
    String(processes),
    String(sessions),
  ];
}
