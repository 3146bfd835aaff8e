// A QEMU that this process started, supervised: its process and its control channel.

import type { Duplex } from "node:stream";
import { describeError, KelpieError, type Platform } from "@kelpie/platform";
import { orAborted } from "../../or-aborted.ts";
import type { QmpEvent } from "../../qmp/messages.ts";
import { QmpClient } from "../../qmp/qmp-client.ts";
import { describeStop, nextVmState, type StopReason, type VmEvent, type VmState } from "../vm-state.ts";
import type { PluggableDevice } from "../pluggable.ts";
import type { Diagnosis, VirtualMachine, VmSpec } from "../vmm.ts";
import { connectEndpoint, type VsockEndpoint } from "../vsock/vsock-endpoint.ts";
import { giveTo, reachable } from "./hand-over.ts";
import type { QemuIdentity } from "./identity.ts";
import { type MigrationOptions, restoreState, saveState } from "./migration.ts";
import type { MonitorProcess } from "./monitor-process.ts";
import { plugCommands } from "./plug.ts";
import { shutdownReason } from "./shutdown-reason.ts";
import { agentSocket, sockets } from "./sockets.ts";

const monitorConnectsWithinMs = 30_000;
const processEndsWithinMs = 2_000;

/** What of a machine matters while it runs. */
export interface MachineSetting extends Pick<VmSpec, "runDirectory" | "plugSlots"> {
  readonly identity: QemuIdentity;
  /** The host's end of its vsock; undefined where the agent is reached by virtio-serial. */
  readonly vsock: VsockEndpoint | undefined;
}

/** One QEMU process. */
export class QemuMachine implements VirtualMachine {
  readonly stopped: Promise<StopReason>;
  #state: VmState = { kind: "starting" };
  #qmp: QmpClient | undefined;
  #isReleased = false;
  readonly #platform: Pick<Platform, "clock" | "files" | "host" | "network" | "processes">;
  readonly #process: MonitorProcess;
  readonly #identity: QemuIdentity;
  readonly #runDirectory: string;
  readonly #freeSlots: number[];
  readonly #vsock: VsockEndpoint | undefined;

  constructor(
    platform: Pick<Platform, "clock" | "files" | "host" | "network" | "processes">,
    process: MonitorProcess,
    { runDirectory, plugSlots = 0, identity, vsock }: MachineSetting,
  ) {
    this.#identity = identity;
    this.#vsock = vsock;
    this.#freeSlots = Array.from({ length: plugSlots }, (_, index) => index);
    this.#platform = platform;
    this.#process = process;
    this.#runDirectory = runDirectory;
    this.stopped = process.exit.then(async (exit) => {
      // The last event is still under way when the process is gone.
      await this.#qmp?.ended;
      this.#on({ kind: "process-gone", exit });
      return this.#state.kind === "stopped" ? this.#state.reason : { kind: "process-exited", exit };
    });
  }

  get state(): VmState {
    return this.#state;
  }

  diagnose(): Promise<Diagnosis> {
    return this.#process.diagnose();
  }

  /**
   * Takes the control channel that QEMU opens and lets the processor run, from the state in the file `restored` where
   * there is one. `boot-failed` with QEMU's words if it ends instead, or cannot take the state.
   */
  async openMonitor(connection: Promise<Duplex>, signal: AbortSignal, restored?: string): Promise<void> {
    const { clock } = this.#platform;
    using deadline = clock.deadline(monitorConnectsWithinMs, "QEMU's start");
    const stop = AbortSignal.any([signal, deadline.signal]);
    const gone = this.stopped.then(async (reason) => {
      throw new KelpieError("boot-failed", "QEMU did not start", {
        found: await this.#inItsWords(describeStop(reason)),
      });
    });
    gone.catch(() => undefined);
    const onEvent = (event: QmpEvent): void => this.#onQmpEvent(event);
    const opened = connection.then((stream) => QmpClient.open(stream, { clock, onEvent, signal: stop }));
    // A channel that breaks now is a QEMU that ends: its exit and its words say more.
    const qmp = await orAborted(Promise.race([opened.catch(() => gone), gone]), stop);
    this.#qmp = qmp;
    void qmp.ended.then(() => this.#endWithMonitor());
    if (restored !== undefined) await this.#restore(qmp, restored, stop);
    this.#on({ kind: "monitor-ready" });
    // The processor waited for this (`-S`): before it, QEMU would keep a quick guest's end to itself.
    await qmp.execute("cont");
  }

  async pause(): Promise<void> {
    await this.#qmp?.execute("stop");
  }

  async resume(): Promise<void> {
    await this.#qmp?.execute("cont");
  }

  async release(): Promise<void> {
    await this.#process.release();
    this.#isReleased = true;
  }

  async save(state: string, signal: AbortSignal): Promise<void> {
    const qmp = this.#qmp;
    if (qmp === undefined) throw new KelpieError("internal", "A machine is saved before it runs");
    await saveState(this.#platform, qmp, { state, signal, ...this.#socket(sockets.save) });
  }

  connectAgent(index: number, signal: AbortSignal): Promise<Duplex> {
    if (this.#vsock !== undefined) return connectEndpoint(this.#platform, this.#vsock, signal);
    return this.#platform.network.connectUnix(agentSocket(this.#runDirectory, index), signal);
  }

  async plug(device: PluggableDevice): Promise<void> {
    const slot = this.#freeSlots.shift();
    if (slot === undefined || this.#qmp === undefined) {
      throw new KelpieError("limit-exceeded", `There is no free slot for ${device.name} in the machine`);
    }
    const given = await this.#within(device);
    for (const { command, args } of plugCommands(given, slot)) await this.#qmp.execute(command, args);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isReleased) {
      this.#qmp?.[Symbol.dispose]();
      this.#process.forget();
      return;
    }
    await this.kill();
  }

  async kill(): Promise<void> {
    this.#on({ kind: "ending", reason: { kind: "host-request" } });
    await this.#process[Symbol.asyncDispose]();
    await this.stopped;
  }

  async #restore(qmp: QmpClient, state: string, signal: AbortSignal): Promise<void> {
    try {
      await restoreState(this.#platform, qmp, { state, signal, ...this.#socket(sockets.restore) });
    } catch (cause) {
      if (signal.aborted) throw cause;
      throw new KelpieError("boot-failed", "QEMU did not take the saved state", {
        found: await this.#inItsWords(describeError(cause)),
        cause,
      });
    }
  }

  #socket(name: string): Pick<MigrationOptions, "socket" | "name" | "give"> {
    const socket = `${this.#runDirectory}/${name}`;
    return { socket, name, give: () => giveTo(this.#platform.files, this.#identity, socket) };
  }

  /** The device with what stands behind it as QEMU reaches it. */
  async #within(device: PluggableDevice): Promise<PluggableDevice> {
    const reach = (path: string): Promise<string> =>
      reachable(this.#platform.files, this.#identity, this.#runDirectory, path);
    switch (device.kind) {
      case "disk":
        return { ...device, path: await reach(device.path) };
      case "virtiofs":
        return { ...device, socket: await reach(device.socket) };
      case "network": {
        const { backend } = device;
        if (backend.kind !== "socket") return device;
        return { ...device, backend: { ...backend, path: await reach(backend.path) } };
      }
      case "9p":
        return device;
      default:
        return device satisfies never;
    }
  }

  /** `what`, and what QEMU itself wrote. */
  async #inItsWords(what: string): Promise<string> {
    const { monitorOutput } = await this.diagnose();
    return [what, monitorOutput].filter((part) => part !== "").join("\n");
  }

  #onQmpEvent({ name, data }: QmpEvent): void {
    if (name === "GUEST_PANICKED") this.#on({ kind: "ending", reason: { kind: "guest-panicked" } });
    if (name === "SHUTDOWN") this.#on({ kind: "ending", reason: shutdownReason(data["reason"]) });
  }

  /** The control channel ends with the process, just before it. A process that stays without one is out of control. */
  async #endWithMonitor(): Promise<void> {
    using deadline = this.#platform.clock.deadline(processEndsWithinMs, "QEMU's end");
    if (this.#isReleased) return;
    await orAborted(this.stopped, deadline.signal).catch(() => {
      this.#on({ kind: "ending", reason: { kind: "monitor-lost" } });
      this.#process.kill();
    });
  }

  #on(event: VmEvent): void {
    this.#state = nextVmState(this.#state, event);
  }
}
