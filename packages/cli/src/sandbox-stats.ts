// What sandboxes use, as the command prints it.

import { describeError, type Terminal } from "@kelpie/platform";
import {
  findSandbox,
  type KnownSandbox,
  listSandboxes,
  Sandbox,
  type SandboxHealth,
  sandboxHealth,
} from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";
import type { SandboxStatsJson } from "./json/sandbox-stats.ts";
import { jsonText } from "./output/json.ts";
import { formatDuration } from "./output/sandbox-view.ts";
import { formatSize } from "./output/size.ts";
import { formatTable } from "./output/table.ts";
import { exitCodeOf, reportError } from "./report-error.ts";

const titles = ["NAME", "UP", "LOAD", "MEMORY", "DISK", "PROCESSES", "SESSIONS"];

type Stats = SandboxStatsJson["sandboxes"][number];

/** What a sandbox answers, or why it does not. */
interface Answer {
  readonly id: string;
  readonly name: string;
  readonly health?: SandboxHealth;
  readonly error?: unknown;
}

/** How to print. */
export interface StatsOptions {
  /** Again and again, this far apart. */
  readonly everyMs: number | undefined;
  readonly json: boolean;
}

/** Prints what the named sandboxes use; all that run, where none is named. Returns the exit code of the first that does not answer. */
export async function printStats(
  context: CommandContext,
  references: readonly string[],
  { everyMs, json }: StatsOptions,
): Promise<number> {
  const { platform, terminal, signal } = context;
  for (;;) {
    const found = await chosen(context, references);
    const answers = await Promise.all(found.map((one) => statsOf(context, one)));
    const silent = answers.find(({ error }) => error !== undefined)?.error;
    if (json) {
      terminal.stdout.write(jsonText<SandboxStatsJson>({ sandboxes: answers.map(statsJson) }, "line"));
    } else {
      printTable(terminal, answers);
    }
    if (everyMs === undefined) return silent === undefined ? 0 : exitCodeOf(silent);
    await platform.clock.sleep(everyMs, signal);
  }
}

/** Those that answer as a table, and what is wrong with the others. */
function printTable(terminal: Terminal, answers: readonly Answer[]): void {
  const rows = answers.flatMap(({ name, health }) => (health === undefined ? [] : [row(name, health)]));
  if (rows.length > 0) terminal.stdout.write(formatTable(titles, rows));
  else if (answers.length === 0)
    terminal.stderr.write("No sandbox runs. `kelpie sandbox create` makes one.\n");
  for (const { error } of answers) if (error !== undefined) reportError(terminal, error, false);
}

function statsJson({ id, name, health, error }: Answer): Stats {
  return { id, name, health, error: error === undefined ? undefined : describeError(error) };
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

async function statsOf({ platform, home, signal }: CommandContext, one: KnownSandbox): Promise<Answer> {
  const { id, record } = one;
  try {
    await using sandbox = await Sandbox.open(id, { platform, home, signal });
    return { id, name: record.name, health: await sandboxHealth(sandbox, signal) };
  } catch (error) {
    if (signal.aborted) throw error;
    return { id, name: record.name, error };
  }
}

function row(name: string, health: SandboxHealth): string[] {
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
