// Starting a keeper, telling it that its machine is wanted, and ending it.

import { join } from "node:path";
import {
  isSameProcessAlive,
  type LaunchOptions,
  type Platform,
  type ProcessIdentity,
} from "@kelpie/platform";
import type { Command } from "../tied-command.ts";
import type { KeepOptions } from "../vmm.ts";
import { keeperFiles, keeperScript } from "./keeper-script.ts";

const endsWithinMs = 10_000;

/** Starts `command` under a keeper in the directory of `options`. Returns the keeper's process id. */
export function launchKeeper(
  { processes }: Pick<Platform, "processes">,
  command: Command,
  keep: KeepOptions,
  options: LaunchOptions,
): Promise<number> {
  const { ttlSeconds = 0, idleSeconds = 0, startWithinSeconds, removeAtEnd } = keep;
  const times = [ttlSeconds, idleSeconds, startWithinSeconds].map((seconds) => String(Math.ceil(seconds)));
  const after = removeAtEnd ? "remove" : "keep";
  return processes.launch(
    "/bin/sh",
    ["-c", keeperScript, "kelpie-keeper", ...times, after, command.program, ...command.args],
    options,
  );
}

/** Tells the keeper that the start is complete: its times count from here. */
export async function confirmStart(
  { files, processes }: Pick<Platform, "files" | "processes">,
  directory: string,
  keeper: ProcessIdentity,
): Promise<void> {
  {
    await using _file = await files.open(join(directory, keeperFiles.ready), "replace", 0o600);
  }
  processes.signal(keeper.pid, "SIGUSR1");
}

/** Ends a keeper and its machine at once, by force where it does not answer. Resolves when it is gone. */
export async function endKeeper(
  platform: Pick<Platform, "clock" | "files" | "processes">,
  keeper: ProcessIdentity,
): Promise<void> {
  const { processes, clock } = platform;
  if (!(await isSameProcessAlive(platform, keeper))) return;
  processes.signal(keeper.pid, "SIGTERM");
  using deadline = clock.deadline(endsWithinMs, "The keeper's end");
  try {
    await processes.gone(keeper.pid, deadline.signal);
  } catch {
    // Its process group is its own: the machine and the recorders go with it.
    processes.signal(-keeper.pid, "SIGKILL");
  }
}
