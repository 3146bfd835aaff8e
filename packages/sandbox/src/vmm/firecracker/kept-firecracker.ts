// A Firecracker that lives under a keeper, seen from any process: by its directory, its API and its keeper's files.

import type { Duplex } from "node:stream";
import { join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import { KeptWatch } from "../keeper/kept-watch.ts";
import type { StopReason, VmState } from "../vm-state.ts";
import type { AttachedMachine, Diagnosis, RunStatus } from "../vmm.ts";
import { agentVsockPort, connectVsock } from "../vsock/vsock-connect.ts";
import { type ApiCall, FirecrackerApi } from "./api-client.ts";
import { describeCall, firecrackerFiles, stateCall } from "./calls.ts";

type Parts = Pick<Platform, "clock" | "files" | "network" | "processes">;

/** See the file's head. Disposing it leaves the machine as it is. */
export class KeptFirecracker implements AttachedMachine {
  readonly #platform: Parts;
  readonly #directory: string;
  readonly #watch: KeptWatch;

  private constructor(platform: Parts, directory: string, watch: KeptWatch) {
    this.#platform = platform;
    this.#directory = directory;
    this.#watch = watch;
  }

  /** The machine of `directory`. `guest-lost` where its keeper is gone. */
  static async attach(platform: Parts, directory: string): Promise<KeptFirecracker> {
    return new KeptFirecracker(platform, directory, await KeptWatch.attach(platform, directory));
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
    await this.#call(stateCall("Paused"));
  }

  async resume(): Promise<void> {
    await this.#call(stateCall("Resumed"));
  }

  async status(): Promise<RunStatus> {
    const answer = await this.#call(describeCall);
    const isObject = typeof answer === "object" && answer !== null && "state" in answer;
    const state = isObject ? answer.state : undefined;
    if (state === "Running") return { kind: "running" };
    if (state === "Paused") return { kind: "paused" };
    return { kind: "stuck", state: typeof state === "string" ? state : "unknown" };
  }

  connectAgent(_: number, signal: AbortSignal): Promise<Duplex> {
    const socket = join(this.#directory, firecrackerFiles.vsock);
    return connectVsock(this.#platform, socket, agentVsockPort, signal);
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  save(): Promise<void> {
    return Promise.reject(new KelpieError("unsupported", "A machine under a keeper cannot be saved"));
  }

  plug(): Promise<void> {
    return Promise.reject(
      new KelpieError("unsupported", "Nothing can be plugged into Firecracker's machines"),
    );
  }

  kill(): Promise<void> {
    return this.#watch.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#watch[Symbol.dispose]();
    return Promise.resolve();
  }

  #call(call: ApiCall): Promise<unknown> {
    const api = new FirecrackerApi(this.#platform, join(this.#directory, firecrackerFiles.api));
    return api.call(call, new AbortController().signal);
  }
}
