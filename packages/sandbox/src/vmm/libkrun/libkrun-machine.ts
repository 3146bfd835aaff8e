// A machine of libkrun's that this process started: a process that ends with it.

import type { Duplex } from "node:stream";
import { KelpieError, type Platform, type ProcessExit } from "@kelpie/platform";
import { greetAgent } from "../../agent/handshake.ts";
import { orAborted } from "../../or-aborted.ts";
import { untilStopped } from "../../until-stopped.ts";
import type { VmmName } from "../capabilities.ts";
import type { ConsoleLog } from "../console-log.ts";
import type { MonitorProcess } from "../qemu/monitor-process.ts";
import { nextVmState, type StopReason, type VmEvent, type VmState } from "../vm-state.ts";
import type { Diagnosis, VirtualMachine } from "../vmm.ts";
import { refusedByGuest } from "../vsock/vsock-connect.ts";

const name: VmmName = "libkrun";
/** A guest whose console says nothing is tried this often. */
const tryAgainAfterMs = 200;
const helloAgainAfterMs = 10_000;

type Parts = Pick<Platform, "clock" | "files" | "network" | "processes" | "random">;

/** What a {@link LibkrunMachine} is made of. */
export interface LibkrunParts {
  readonly process: MonitorProcess;
  /** The process group of the machine, where it can be stopped and go on. */
  readonly group: number | undefined;
  readonly socket: string;
  readonly endsByReset: boolean;
}

/** See the head of this file. */
export class LibkrunMachine implements VirtualMachine {
  readonly stopped: Promise<StopReason>;
  readonly endsBy?: "reset";
  #state: VmState = { kind: "running" };
  readonly #platform: Parts;
  readonly #parts: LibkrunParts;

  constructor(platform: Parts, parts: LibkrunParts) {
    this.#platform = platform;
    this.#parts = parts;
    if (parts.endsByReset) this.endsBy = "reset";
    this.stopped = this.#watch();
  }

  get state(): VmState {
    return this.#state;
  }

  diagnose(): Promise<Diagnosis> {
    return this.#parts.process.diagnose();
  }

  /**
   * libkrun takes a connection before it knows whether the guest does, and makes the socket only when the guest has a
   * driver for it: an agent that answers a hello is the proof. A connection's own hello follows.
   */
  async connectAgent(_: number, signal: AbortSignal): Promise<Duplex> {
    const { clock, network, random } = this.#platform;
    await this.#agentOrPatience(signal);
    const stream = await network.connectUnix(this.#parts.socket, signal).catch((error: unknown) => {
      throw this.#notYet(error);
    });
    try {
      await greetAgent(stream, { clock, random, repeatAfterMs: helloAgainAfterMs, signal });
      return stream;
    } catch (error) {
      stream.destroy();
      throw signal.aborted ? error : this.#notYet(error);
    }
  }

  async pause(): Promise<void> {
    await untilStopped(this.#platform, this.#signal("SIGSTOP", "stop a processor"));
  }

  async resume(): Promise<void> {
    this.#signal("SIGCONT", "let a processor go on");
    await Promise.resolve();
  }

  save(): Promise<void> {
    return Promise.reject(cannot("save a machine"));
  }

  plug(): Promise<void> {
    return Promise.reject(cannot("give a running machine a device"));
  }

  release(): Promise<void> {
    return Promise.reject(cannot("leave a machine to a keeper"));
  }

  async kill(): Promise<void> {
    this.#on({ kind: "ending", reason: { kind: "host-request" } });
    await this.#parts.process[Symbol.asyncDispose]();
    await this.stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  async #watch(): Promise<StopReason> {
    const exit = await this.#parts.process.exit;
    const reason = await this.#endedByGuest(exit);
    if (reason !== undefined) this.#on({ kind: "ending", reason });
    this.#on({ kind: "process-gone", exit });
    return this.#state.kind === "stopped" ? this.#state.reason : { kind: "process-exited", exit };
  }

  /** libkrun ends in order when its guest does, and says no more than that: the kernel's last words may. */
  async #endedByGuest(exit: ProcessExit): Promise<StopReason | undefined> {
    if (exit.kind !== "exited" || exit.code !== 0) return undefined;
    return lastWords((await this.diagnose()).console);
  }

  /** Waits until the guest says that its agent serves, but not long: it may say nothing at all. */
  async #agentOrPatience(signal: AbortSignal): Promise<void> {
    const { console } = await this.diagnose();
    if (console.stage === "agent ready") return;
    using patience = this.#platform.clock.deadline(tryAgainAfterMs, "The agent's first words");
    const either = Promise.race([console.agentReady, this.stopped]);
    await orAborted(either, AbortSignal.any([signal, patience.signal])).catch((error: unknown) => {
      if (signal.aborted) throw error;
    });
  }

  /** While the machine runs, a failure is a guest that does not listen yet: who connects tries again. */
  #notYet(cause: unknown): unknown {
    if (this.#state.kind !== "running") return cause;
    return new KelpieError("unreachable", "The guest does not take a vsock connection", {
      found: refusedByGuest,
      cause,
    });
  }

  /** Who it was sent to: the first of the group, which is the machine. */
  #signal(signal: NodeJS.Signals, what: string): number {
    const { group } = this.#parts;
    if (group === undefined) throw cannot(what);
    this.#platform.processes.signal(-group, signal);
    return group;
  }

  #on(event: VmEvent): void {
    this.#state = nextVmState(this.#state, event);
  }
}

/** What the guest's kernel said last: a guest can lie about its own end, and about nothing else. */
function lastWords(console: ConsoleLog): StopReason {
  const end = console.lastLines(5).join("\n");
  if (/Kernel panic - not syncing/.test(console.text())) return { kind: "guest-panicked" };
  return { kind: /reboot: Power down/.test(end) ? "guest-shutdown" : "guest-reset" };
}

function cannot(what: string): KelpieError {
  return new KelpieError("unsupported", `The monitor ${name} cannot ${what}`, {
    help: "QEMU can do it: --vmm qemu",
  });
}
