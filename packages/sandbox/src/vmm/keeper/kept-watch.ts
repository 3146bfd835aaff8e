// A kept machine's end, seen from any process: by its keeper and what that has written down.

import { isSameProcessAlive, KelpieError, type Platform, type ProcessIdentity } from "@kelpie/platform";
import type { StopReason, VmState } from "../vm-state.ts";
import type { Diagnosis } from "../vmm.ts";
import { endKeeper } from "./keeper.ts";
import { keptDiagnosis, keptProcess, keptStop } from "./kept-files.ts";

type Parts = Pick<Platform, "clock" | "files" | "processes">;

/** See the head of this file. Disposing it leaves the machine as it is. */
export class KeptWatch implements Disposable {
  readonly #platform: Parts;
  readonly #directory: string;
  readonly #keeper: ProcessIdentity;
  readonly #watch = new AbortController();
  #state: VmState = { kind: "running" };
  #stopped: Promise<StopReason> | undefined;

  private constructor(platform: Parts, directory: string, keeper: ProcessIdentity) {
    this.#platform = platform;
    this.#directory = directory;
    this.#keeper = keeper;
  }

  /** Of the machine of `directory`. `guest-lost` where its keeper is gone. */
  static async attach(platform: Parts, directory: string): Promise<KeptWatch> {
    const keeper = await keptProcess(platform.files, directory, "keeper");
    if (keeper === undefined || !(await isSameProcessAlive(platform, keeper))) {
      throw new KelpieError("guest-lost", "The sandbox does not run any more", { where: directory });
    }
    return new KeptWatch(platform, directory, keeper);
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

  /** Ends the machine at once. Resolves when it and its keeper are gone. */
  async kill(): Promise<void> {
    await endKeeper(this.#platform, this.#keeper);
  }

  [Symbol.dispose](): void {
    this.#watch.abort();
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
