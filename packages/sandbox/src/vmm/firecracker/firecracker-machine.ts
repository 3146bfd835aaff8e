// A Firecracker that this process started, supervised: its process and its API.

import type { Duplex } from "node:stream";
import { join } from "node:path";
import { describeError, KelpieError, type Platform } from "@kelpie/platform";
import { orAborted } from "../../or-aborted.ts";
import type { PluggableDevice } from "../pluggable.ts";
import type { MonitorProcess } from "../qemu/monitor-process.ts";
import { requireCapabilities } from "../require-capabilities.ts";
import { describeStop, nextVmState, type StopReason, type VmEvent, type VmState } from "../vm-state.ts";
import type { Diagnosis, VirtualMachine, VmSpec } from "../vmm.ts";
import { agentVsockPort, connectVsock } from "../vsock/vsock-connect.ts";
import { type ApiCall, FirecrackerApi } from "./api-client.ts";
import { firecrackerCapabilities } from "./capabilities.ts";
import { firecrackerFiles, saveCalls, stateCall } from "./calls.ts";

const listensWithinMs = 10_000;
/** A snapshot writes the guest's whole memory. */
const savesWithinMs = 120_000;

type Parts = Pick<Platform, "clock" | "files" | "network">;

/** One Firecracker process. */
export class FirecrackerMachine implements VirtualMachine {
  readonly stopped: Promise<StopReason>;
  readonly #platform: Parts;
  readonly #process: MonitorProcess;
  readonly #spec: VmSpec;
  readonly #api: FirecrackerApi;
  #state: VmState = { kind: "starting" };
  #isReleased = false;

  constructor(platform: Parts, process: MonitorProcess, spec: VmSpec) {
    this.#platform = platform;
    this.#process = process;
    this.#spec = spec;
    this.#api = new FirecrackerApi(platform, join(spec.runDirectory, firecrackerFiles.api));
    this.stopped = process.exit.then((exit) => {
      // A reset is all that a guest can do to end it, and ends it in order.
      if (exit.kind === "exited" && exit.code === 0) {
        this.#on({ kind: "ending", reason: { kind: "guest-reset" } });
      }
      this.#on({ kind: "process-gone", exit });
      return this.#state.kind === "stopped" ? this.#state.reason : { kind: "process-exited", exit };
    });
  }

  get state(): VmState {
    return this.#state;
  }

  /** Waits for the API and makes the calls that start the machine. `boot-failed` with Firecracker's words. */
  async open(calls: readonly ApiCall[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#platform;
    using deadline = clock.deadline(listensWithinMs, "Firecracker's start");
    const over = new AbortController();
    const stop = AbortSignal.any([signal, deadline.signal, over.signal]);
    const gone = this.stopped.then((reason) => {
      throw new KelpieError("boot-failed", "Firecracker did not start", { found: describeStop(reason) });
    });
    gone.catch(() => undefined);
    try {
      const ready = this.#api.untilListening(stop);
      ready.catch(() => undefined);
      await orAborted(Promise.race([ready, gone]), stop);
      for (const call of calls) {
        await orAborted(Promise.race([this.#api.call(call, stop, savesWithinMs), gone]), signal);
      }
    } catch (cause) {
      if (signal.aborted || !KelpieError.is(cause)) throw cause;
      throw await this.#startFailure(cause);
    } finally {
      over.abort();
    }
    this.#on({ kind: "monitor-ready" });
  }

  diagnose(): Promise<Diagnosis> {
    return this.#process.diagnose();
  }

  async save(state: string, signal: AbortSignal): Promise<void> {
    const { origin } = this.#spec;
    if (origin?.kind !== "boot-to-save") {
      throw new KelpieError("internal", "A machine is saved that was not started to be");
    }
    for (const call of saveCalls(state, origin.memory)) await this.#api.call(call, signal, savesWithinMs);
  }

  async pause(): Promise<void> {
    await this.#api.call(stateCall("Paused"), never);
  }

  async resume(): Promise<void> {
    await this.#api.call(stateCall("Resumed"), never);
  }

  connectAgent(_: number, signal: AbortSignal): Promise<Duplex> {
    const socket = join(this.#spec.runDirectory, firecrackerFiles.vsock);
    return connectVsock(this.#platform, socket, agentVsockPort, signal);
  }

  plug({ kind }: PluggableDevice): Promise<void> {
    return refusePlug(kind, this.#spec);
  }

  async release(): Promise<void> {
    await this.#process.release();
    this.#isReleased = true;
  }

  async kill(): Promise<void> {
    this.#on({ kind: "ending", reason: { kind: "host-request" } });
    await this.#process[Symbol.asyncDispose]();
    await this.stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isReleased) this.#process.forget();
    else await this.kill();
  }

  async #startFailure(cause: KelpieError): Promise<KelpieError> {
    const { monitorOutput } = await this.diagnose();
    const found = [describeError(cause), monitorOutput].filter((part) => part !== "").join("\n");
    return new KelpieError("boot-failed", "Firecracker did not start the machine", { found, cause });
  }

  #on(event: VmEvent): void {
    this.#state = nextVmState(this.#state, event);
  }
}

const never = new AbortController().signal;

/** `unsupported`. */
async function refusePlug(kind: PluggableDevice["kind"], { image }: VmSpec): Promise<void> {
  const capabilities = firecrackerCapabilities(image.architecture);
  await Promise.resolve();
  requireCapabilities({ name: "firecracker", capabilities }, { plugs: [kind] });
}
