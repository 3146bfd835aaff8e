// A QEMU that lives under a keeper, seen from any process: by its directory, its control socket and its keeper's files.

import type { Duplex } from "node:stream";
import { join } from "node:path";
import { acquireFileLock, KelpieError, type Platform } from "@kelpie/platform";
import { asObject } from "../../qmp/messages.ts";
import { QmpClient } from "../../qmp/qmp-client.ts";
import { KeptWatch } from "../keeper/kept-watch.ts";
import type { StopReason, VmState } from "../vm-state.ts";
import type { AttachedMachine, Diagnosis, RunStatus } from "../vmm.ts";
import { connectEndpoint, readEndpoint } from "../vsock/vsock-endpoint.ts";
import { agentSocket, sockets } from "./sockets.ts";

const controlWithinMs = 10_000;

type Parts = Pick<Platform, "clock" | "files" | "host" | "network" | "processes" | "random">;

/** See the file's head. Disposing it leaves the machine as it is. */
export class KeptMachine implements AttachedMachine {
  readonly #platform: Parts;
  readonly #directory: string;
  readonly #watch: KeptWatch;

  private constructor(platform: Parts, directory: string, watch: KeptWatch) {
    this.#platform = platform;
    this.#directory = directory;
    this.#watch = watch;
  }

  /** The machine of `directory`. `guest-lost` where its keeper is gone. */
  static async attach(platform: Parts, directory: string): Promise<KeptMachine> {
    return new KeptMachine(platform, directory, await KeptWatch.attach(platform, directory));
  }

  get state(): VmState {
    return this.#watch.state;
  }

  get stopped(): Promise<StopReason> {
    return this.#watch.stopped;
  }

  diagnose(): Promise<Diagnosis> {
    return this.#watch.diagnose();
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

  async connectAgent(index: number, signal: AbortSignal): Promise<Duplex> {
    const endpoint = await readEndpoint(this.#platform, this.#directory);
    if (endpoint !== undefined) return await connectEndpoint(this.#platform, endpoint, signal);
    return await this.#platform.network.connectUnix(agentSocket(this.#directory, index), signal);
  }

  kill(): Promise<void> {
    return this.#watch.kill();
  }

  /** Uses QEMU's control channel for a moment. It has one user at a time, so others wait. */
  async control<T>(use: (qmp: QmpClient) => Promise<T>): Promise<T> {
    const { clock, network } = this.#platform;
    const path = join(this.#directory, sockets.control);
    // Not beside the socket: that directory is QEMU's.
    const lock = join(this.#directory, "control.lock");
    using deadline = clock.deadline(controlWithinMs, "QEMU's answer");
    const { signal } = deadline;
    const purpose = "controlling a virtual machine";
    await using _lock = await acquireFileLock(this.#platform, lock, {
      purpose,
      timeoutMs: controlWithinMs,
      signal,
    });
    const stream = await network.connectUnix(path, signal);
    using qmp = await QmpClient.open(stream, { clock, onEvent: () => undefined, signal });
    return await use(qmp);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    return Promise.resolve();
  }
}
