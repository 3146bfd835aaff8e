// Waiting for a guest to answer, and what is known of one that does not.

import { cancelled, KelpieError, type Platform } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import type { StopReason } from "../vmm/vm-state.ts";
import type { VirtualMachine } from "../vmm/vmm.ts";
import { bootFailure } from "./boot-failure.ts";

const consoleLines = 20;
const lastWordsWithinMs = 2_000;

type Parts = Pick<Platform, "clock">;

/** What to wait for, and how long. */
export interface GuestWait {
  readonly machine: VirtualMachine;
  /** When the machine was started, on the monotonic clock. */
  readonly startMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Waits for `answer` of a guest that starts. `boot-failed` with the phase reached, the console's last lines and a likely
 * cause where it does not come within the time or the machine stops; `cancelled` by the signal.
 */
export async function awaitGuest<T>(
  platform: Parts,
  { machine, startMs, timeoutMs, signal }: GuestWait,
  answer: (stop: AbortSignal) => Promise<T>,
): Promise<T> {
  using deadline = platform.clock.deadline(timeoutMs, "The guest's start");
  try {
    const stop = AbortSignal.any([signal, deadline.signal]);
    return await Promise.race([answer(stop), stoppedEarly(machine, stop)]);
  } catch (cause) {
    if (signal.aborted) throw cancelled(signal);
    throw await describeFailure(platform, machine, startMs, cause);
  }
}

async function stoppedEarly(machine: VirtualMachine, stop: AbortSignal): Promise<never> {
  await orAborted(machine.stopped, stop);
  throw new KelpieError("guest-lost", "The virtual machine stopped");
}

/** How a machine ends whose port was lost: the first sign of one that goes. Undefined if it does not go. */
export async function endOf(machine: VirtualMachine, { clock }: Parts): Promise<StopReason | undefined> {
  using patience = clock.deadline(lastWordsWithinMs, "The machine's end");
  return await orAborted(machine.stopped, patience.signal).catch(() => undefined);
}

async function describeFailure(
  platform: Parts,
  machine: VirtualMachine,
  startMs: number,
  cause: unknown,
): Promise<KelpieError> {
  const isGoing = KelpieError.is(cause) && cause.code === "guest-lost";
  const stopped = isGoing ? await endOf(machine, platform) : undefined;
  const { console, monitorOutput } = await machine.diagnose();
  return bootFailure({
    consoleText: console.text(),
    lastLines: console.lastLines(consoleLines),
    stage: console.stage,
    stopped,
    monitorOutput,
    waitedMs: platform.clock.monotonicMs() - startMs,
    cause,
  });
}
