// A machine under a keeper, seen from any process: its end by its keeper and what that has written down, the rest by what
// its monitor can be asked.

import type { Duplex } from "node:stream";
import { isSameProcessAlive, KelpieError, type Platform, type ProcessIdentity } from "@kelpie/platform";
import type { StopReason, VmState } from "../vm-state.ts";
import type { AttachedMachine, Diagnosis, RunStatus, VirtualMachine } from "../vmm.ts";
import { endKeeper } from "./keeper.ts";
import { keptDiagnosis, keptProcess, keptStop } from "./kept-files.ts";

type Parts = Pick<Platform, "clock" | "files" | "processes">;

/** What a monitor is asked of a machine that another process has started. */
export type MachineControl = Pick<VirtualMachine, "pause" | "resume" | "connectAgent"> & {
  status(): Promise<RunStatus>;
};

/** See the head of this file. Disposing it leaves the machine as it is. */
export class KeptMachine implements AttachedMachine {
  readonly #platform: Parts;
  readonly #directory: string;
  readonly #keeper: ProcessIdentity;
  readonly #control: MachineControl;
  readonly #watch = new AbortController();
  #state: VmState = { kind: "running" };
  #stopped: Promise<StopReason> | undefined;

  private constructor(platform: Parts, directory: string, keeper: ProcessIdentity, control: MachineControl) {
    this.#platform = platform;
    this.#directory = directory;
    this.#keeper = keeper;
    this.#control = control;
  }

  /** Of the machine of `directory`. `guest-lost` where its keeper is gone. */
  static async attach(platform: Parts, directory: string, control: MachineControl): Promise<KeptMachine> {
    const keeper = await keptProcess(platform.files, directory, "keeper");
    if (keeper === undefined || !(await isSameProcessAlive(platform, keeper))) {
      throw new KelpieError("guest-lost", "The sandbox does not run any more", { where: directory });
    }
    return new KeptMachine(platform, directory, keeper, control);
  }

  get state(): VmState {
    return this.#state;
  }

  /** Watched only once somebody asks: the end of a process that is not our child is found by looking. */
  get stopped(): Promise<StopReason> {
    this.#stopped ??= this.#watchEnd();
    return this.#stopped;
  }

  diagnose(): Promise<Diagnosis> {
    return keptDiagnosis(this.#platform.files, this.#directory);
  }

  pause(): Promise<void> {
    return this.#control.pause();
  }

  resume(): Promise<void> {
    return this.#control.resume();
  }

  status(): Promise<RunStatus> {
    return this.#control.status();
  }

  connectAgent(index: number, signal: AbortSignal): Promise<Duplex> {
    return this.#control.connectAgent(index, signal);
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  save(): Promise<void> {
    return Promise.reject(new KelpieError("unsupported", "A machine under a keeper cannot be saved"));
  }

  plug(): Promise<void> {
    return Promise.reject(
      new KelpieError("unsupported", "Only the creator of a machine can plug devices into it"),
    );
  }

  /** Ends the machine at once. Resolves when it and its keeper are gone. */
  async kill(): Promise<void> {
    await endKeeper(this.#platform, this.#keeper);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#watch.abort();
    return Promise.resolve();
  }

  async #watchEnd(): Promise<StopReason> {
    const { processes, files } = this.#platform;
    await processes.gone(this.#keeper.pid, this.#watch.signal).catch(() => undefined);
    const reason: StopReason = this.#watch.signal.aborted
      ? { kind: "host-request" }
      : ((await keptStop(files, this.#directory)) ?? (await this.#unrecordedEnd()));
    this.#state = { kind: "stopped", reason };
    return reason;
  }

  /** A directory that is gone went with an orderly end; one that stays without a word lost its keeper. */
  async #unrecordedEnd(): Promise<StopReason> {
    const isGone = (await this.#platform.files.lstat(this.#directory)) === undefined;
    return { kind: isGone ? "host-request" : "keeper-lost" };
  }
}
