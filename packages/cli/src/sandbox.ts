// Running one command in a sandbox of its own as the commands do it: streams joined, what happened said.

import { runInSandbox, type RunOptions } from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";
import { RunTiming } from "./output/run-timing.ts";
import { sayWhyBooted } from "./sandbox-options.ts";

/** A command, and the sandbox for it. */
export type GuestCommand = Omit<RunOptions, "onStarted" | "onEnded"> & {
  /** Prints how long each step took. */
  readonly timing?: boolean | undefined;
};

/** Starts a sandbox for one command. @returns its exit code. */
export async function runGuestCommand(
  context: CommandContext,
  { timing: isTimed, ...options }: GuestCommand,
): Promise<number> {
  const { terminal } = context;
  const timing = isTimed === true ? new RunTiming(context) : undefined;
  const code = await runInSandbox(
    {
      ...options,
      onStarted: (start) => {
        sayWhyBooted(terminal, start);
        timing?.started(start);
      },
      onEnded: () => timing?.mark("run"),
    },
    terminal,
  );
  timing?.mark("remove");
  return code;
}
