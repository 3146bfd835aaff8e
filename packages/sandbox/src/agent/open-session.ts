// Opens an agent's port and greets the agent, anew until it answers.

import type { Duplex } from "node:stream";
import { type Clock, KelpieError, type Random } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import { isRefusedByGuest } from "../vmm/vsock/vsock-connect.ts";
import { greetAgent } from "./handshake.ts";

const firstPauseMs = 5;
const longestPauseMs = 200;

/** How to open a session. */
export interface OpenOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Opens the bytes to the agent's port. */
  readonly open: (signal: AbortSignal) => Promise<Duplex>;
  /** Without an answer for this long, opens the port anew; then for twice as long, as a busy guest takes its time. */
  readonly answerWithinMs: number;
  /** The deadline, and the owner's wish to stop. */
  readonly signal: AbortSignal;
}

/** The bytes of a session that has just begun, and the agent's instance as far as it tells it. */
export interface Greeted {
  readonly stream: Duplex;
  readonly instanceId: string | undefined;
}

/**
 * Opens the port and says hello, over one connection after the other: a guest may have missed that this host came, and QEMU
 * may hold back what it answers, until the host goes (docs/virtio-serial.md). `guest-lost` if a connection ends before the
 * answer, what `open` throws, or the signal's reason.
 */
export async function openSession({ answerWithinMs, ...options }: OpenOptions): Promise<Greeted> {
  const { clock, random, open, signal } = options;
  for (let patienceMs = answerWithinMs; ; patienceMs *= 2) {
    const stream = await openFree(open, clock, signal);
    using patience = clock.deadline(patienceMs, "The agent's answer");
    try {
      const either = AbortSignal.any([signal, patience.signal]);
      return { stream, instanceId: await greetAgent(stream, { clock, random, signal: either }) };
    } catch (error) {
      stream.destroy();
      if (signal.aborted || !patience.signal.aborted) throw error;
    }
  }
}

/**
 * Opens the port, as soon as its last user is gone: the monitor takes one at a time, and lets one wait in line. On vsock,
 * as soon as the guest listens.
 */
async function openFree(open: OpenOptions["open"], clock: Clock, signal: AbortSignal): Promise<Duplex> {
  for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
    const opening = open(signal);
    try {
      return await orAborted(opening, signal);
    } catch (error) {
      if (signal.aborted) opening.then(leave, () => undefined);
      const isBusy = KelpieError.is(error) && error.code === "unreachable" && error.found === "EAGAIN";
      if (!(isBusy || isRefusedByGuest(error)) || signal.aborted) throw error;
    }
    await clock.sleep(pauseMs, signal);
  }
}

function leave(stream: Duplex): void {
  stream.destroy();
}
