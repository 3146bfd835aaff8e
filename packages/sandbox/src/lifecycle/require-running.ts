// What can be asked of a sandbox in its state, and what to say where it cannot.

import { KelpieError } from "@kelpie/platform";
import type { SandboxState } from "./sandbox-state.ts";

/** Its guest answers. `in-use` where it will, or would after `resume`; `guest-lost` where it is gone. */
export function requireRunning(name: string, state: SandboxState): void {
  switch (state.kind) {
    case "running":
      return;
    case "creating":
      throw new KelpieError("in-use", `Sandbox ${name} is still being created`);
    case "paused":
      throw new KelpieError("in-use", `Sandbox ${name} is paused`, {
        // What a person has asked for is no news to them.
        ...(state.reason === "by request" ? {} : { found: state.reason }),
        help: `Let it go on: kelpie sandbox resume ${name}`,
      });
    case "stopped":
    case "failed":
    case "lost":
      throw gone(name, state);
    default:
      state satisfies never;
  }
}

/** It has a machine, whether that runs or stands still. `in-use` before there is one; `guest-lost` afterwards. */
export function requireMachine(name: string, state: SandboxState): void {
  if (state.kind !== "paused") requireRunning(name, state);
}

function gone(name: string, { kind, reason }: SandboxState & { readonly reason: string }): KelpieError {
  return new KelpieError("guest-lost", `Sandbox ${name} does not run`, {
    found: `${kind}: ${reason}`,
    help: `See its console: kelpie sandbox logs ${name}`,
  });
}
