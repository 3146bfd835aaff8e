// One command in a sandbox of its own: what is behind `kelpie run`.

import { realPlatform } from "@kelpie/platform";
import type { ProcessRequest } from "../agent/process.ts";
import { Sandbox } from "../lifecycle/sandbox.ts";
import type { SandboxOptions } from "../lifecycle/sandbox-options.ts";
import type { GuestStart } from "../templates/start-guest.ts";
import { timedOut } from "./exit-code.ts";
import { forwardOutput, ownLine, type RunOutput } from "./forward-output.ts";
import { writeOutput } from "./write-output.ts";

/** The guest ends a process at its timeout. If it does not say so this long after, the guest is given up. */
const guestTimeoutSlackMs = 15_000;

/** A command, and the sandbox for it. */
export interface RunOptions extends SandboxOptions {
  readonly request: ProcessRequest;
  /** Called once the guest answers, before the command runs. */
  readonly onStarted?: (start: GuestStart) => void;
  /** Called once the command has ended and all is brought home, before the sandbox is taken away. */
  readonly onEnded?: () => void;
  /** Whether to say on stderr what is attached, by which way and why. */
  readonly announceAttachments?: boolean;
}

/**
 * Boots a sandbox, runs one command in it and takes the sandbox away again.
 *
 * Returns the command's exit code; 128 + N if signal N ended it, 124 at its timeout, 127 if it is not found and 126 if
 * it cannot be executed, 141 if nobody reads its output any more. What `Sandbox.create` and an execution throw is
 * thrown: for the command line that is 125.
 */
export async function runInSandbox(options: RunOptions, output: RunOutput): Promise<number> {
  const { request, platform = realPlatform, signal = new AbortController().signal } = options;
  await using sandbox = await Sandbox.create(options);
  if (sandbox.start !== undefined) options.onStarted?.(sandbox.start);
  if (options.announceAttachments === true) {
    for (const { description } of options.attachments ?? [])
      await writeOutput(output.stderr, ownLine(description));
  }
  using deadline =
    request.timeoutMs === undefined
      ? undefined
      : platform.clock.deadline(request.timeoutMs + guestTimeoutSlackMs, request.argv[0]);
  const stop = deadline === undefined ? signal : AbortSignal.any([signal, deadline.signal]);
  try {
    const code = await forwardOutput(sandbox.exec(request, stop), output);
    for (const report of await sandbox.finish(signal)) await writeOutput(output.stderr, ownLine(report));
    options.onEnded?.();
    return code;
  } catch (error) {
    if (deadline?.signal.aborted === true && !signal.aborted) return timedOut;
    throw await sandbox.explain(error);
  }
}
