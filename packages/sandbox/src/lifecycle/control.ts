// What one can do to a sandbox that lives on without talking to its guest: pause, resume, stop, kill.

import { KelpieError, type Platform } from "@kelpie/platform";
import { attachMachine } from "../vmm/backends.ts";
import type { KnownSandbox } from "./registry.ts";
import { requireMachine } from "./require-running.ts";
import { Sandbox } from "./sandbox.ts";
import { type SandboxState, sandboxState } from "./sandbox-state.ts";

/** Stops the guest's processor where it is. `guest-lost` where it does not run. */
export async function pauseSandbox(
  platform: Platform,
  { directory, record, state }: KnownSandbox,
): Promise<void> {
  requireMachine(record.name, state);
  await using machine = await attachMachine(platform, record.vmm, directory);
  await machine.pause();
}

/** Lets a paused guest go on. `guest-lost` where there is none. */
export async function resumeSandbox(
  platform: Platform,
  { directory, record, state }: KnownSandbox,
): Promise<void> {
  requireMachine(record.name, state);
  await using machine = await attachMachine(platform, record.vmm, directory);
  await machine.resume();
}

/** Ends the guest at once, as pulling the plug does. One that has ended is no error. */
export async function killSandbox(platform: Platform, sandbox: KnownSandbox): Promise<void> {
  if (!isRunning(sandbox.state)) return;
  try {
    await using machine = await attachMachine(platform, sandbox.record.vmm, sandbox.directory);
    await machine.kill();
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "guest-lost") throw error;
  }
}

/** How {@link stopSandbox} goes about it. */
export interface StopOptions {
  /** KELPIE_HOME. */
  readonly home: string;
  /** How long the guest has to power off before it is killed. */
  readonly graceMs: number;
  readonly signal: AbortSignal;
}

/**
 * Has the guest power off, a paused one too, and kills it after the grace. Returns its state, and lines for the person
 * about what could not be brought home; undefined where it goes with its end.
 */
export async function stopSandbox(
  platform: Platform,
  sandbox: KnownSandbox,
  { home, graceMs, signal }: StopOptions,
): Promise<{ readonly state: SandboxState | undefined; readonly reports: readonly string[] }> {
  const { record, directory, state } = sandbox;
  const reports: string[] = [];
  if (state.kind === "paused") await resumeSandbox(platform, sandbox);
  if (isRunning(state)) {
    try {
      const open = await Sandbox.open(record.id, { platform, home, signal });
      reports.push(...(await open.finish(signal)));
      await open.shutdown(graceMs);
    } catch (error) {
      if (signal.aborted) throw error;
      // A guest that does not answer cannot be asked: its keeper ends it.
      await killSandbox(platform, sandbox);
    }
  }
  if ((await platform.files.lstat(directory)) === undefined) return { state: undefined, reports };
  return { state: await sandboxState(platform, directory, record, record.hostBoot), reports };
}

function isRunning({ kind }: SandboxState): boolean {
  return kind === "running" || kind === "paused" || kind === "creating";
}
