// A QEMU that lives under a keeper, seen from any process: by its directory, its control socket and its keeper's files.

import type { Duplex } from "node:stream";
import { join } from "node:path";
import {
  acquireFileLock,
  isSameProcessAlive,
  KelpieError,
  type Platform,
  type ProcessIdentity,
} from "@kelpie/platform";
import { asObject } from "../../qmp/messages.ts";
import { QmpClient } from "../../qmp/qmp-client.ts";
import { endKeeper } from "../keeper/keeper.ts";
import { keeperFiles } from "../keeper/keeper-script.ts";
import { keptDiagnosis, keptProcess, keptStop } from "../keeper/kept-files.ts";
import type { StopReason, VmState } from "../vm-state.ts";
import type { AttachedMachine, Diagnosis, RunStatus } from "../vmm.ts";
import { agentSocket } from "./arguments.ts";

const controlWithinMs = 10_000;

type Parts = Pick<Platform, "clock" | "files" | "host" | "network" | "processes" | "random">;

/** See the file's head. Disposing it leaves the machine as it is. */
export class KeptMachine implements AttachedMachine {
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

  /** The machine of `directory`. `guest-lost` where its keeper is gone. */
  static async attach(platform: Parts, directory: string): Promise<KeptMachine> {
    const keeper = await keptProcess(platform.files, directory, "keeper");
    if (keeper === undefined || !(await isSameProcessAlive(platform, keeper))) {
      throw new KelpieError("guest-lost", "The sandbox does not run any more", { where: directory });
    }
    return new KeptMachine(platform, directory, keeper);
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

  async pause(): Promise<void> {
    await this.control((qmp) => qmp.execute("stop"));
  }

  async resume(): Promise<void> {
    await this.control((qmp) => qmp.execute("cont"));
  }

  async status(): Promise<RunStatus> {
    return this.control(async (qmp) => {
      const state = asObject(await qmp.execute("query-status"))?.["status"];
      if (state === "running") return { kind: "running" };
      if (state === "paused") return { kind: "paused" };
      return { kind: "stuck", state: typeof state === "string" ? state : "unknown" };
    });
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

  connectAgent(index: number, signal: AbortSignal): Promise<Duplex> {
    return this.#platform.network.connectUnix(agentSocket(this.#directory, index), signal);
  }

  /** Ends the machine at once. Resolves when it and its keeper are gone. */
  async kill(): Promise<void> {
    await endKeeper(this.#platform, this.#keeper);
  }

  /** Uses QEMU's control channel for a moment. It has one user at a time, so others wait. */
  async control<T>(use: (qmp: QmpClient) => Promise<T>): Promise<T> {
    const { clock, network } = this.#platform;
    const path = join(this.#directory, keeperFiles.control);
    using deadline = clock.deadline(controlWithinMs, "QEMU's answer");
    const { signal } = deadline;
    const purpose = "controlling a virtual machine";
    await using _lock = await acquireFileLock(this.#platform, `${path}.lock`, {
      purpose,
      timeoutMs: controlWithinMs,
      signal,
    });
    const stream = await network.connectUnix(path, signal);
    using qmp = await QmpClient.open(stream, { clock, onEvent: () => undefined, signal });
    return await use(qmp);
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
