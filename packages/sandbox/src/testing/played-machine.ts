// A virtual machine played in this process for tests.

import type { Duplex } from "node:stream";
import { KelpieError } from "@kelpie/platform";
import { ConsoleLog } from "../vmm/console-log.ts";
import type { PluggableDevice } from "../vmm/pluggable.ts";
import { qemuCapabilities } from "../vmm/qemu/capabilities.ts";
import { nextVmState, type StopReason, type VmState } from "../vmm/vm-state.ts";
import type { BootImage, Diagnosis, VirtualMachine, Vmm } from "../vmm/vmm.ts";

/** Nothing boots from it. */
export const noImage: BootImage = { architecture: "amd64", rootfs: "/r", kernel: "/k", initrd: "/i" };

/** A machine that is only a state, a console and a way to an agent. */
export class PlayedMachine implements VirtualMachine {
  state: VmState = { kind: "running" };
  readonly console = new ConsoleLog();
  readonly #stopped = Promise.withResolvers<StopReason>();
  readonly stopped = this.#stopped.promise;
  readonly connectAgent: (index: number) => Promise<Duplex>;

  constructor(connectAgent: (index: number) => Promise<Duplex>) {
    this.connectAgent = connectAgent;
  }

  end(reason: StopReason): void {
    this.state = nextVmState(this.state, { kind: "ending", reason });
    this.state = nextVmState(this.state, { kind: "process-gone", exit: { kind: "exited", code: 0 } });
    if (this.state.kind === "stopped") this.#stopped.resolve(this.state.reason);
  }

  diagnose(): Promise<Diagnosis> {
    return Promise.resolve({ console: this.console, monitorOutput: "" });
  }

  pause(): Promise<void> {
    return Promise.resolve();
  }

  resume(): Promise<void> {
    return Promise.resolve();
  }

  release(): Promise<void> {
    return Promise.resolve();
  }

  save(): Promise<void> {
    return Promise.reject(new KelpieError("unsupported", "A played machine cannot be saved"));
  }

  readonly plugged: PluggableDevice[] = [];

  plug(device: PluggableDevice): Promise<void> {
    this.plugged.push(device);
    return Promise.resolve();
  }

  kill(): Promise<void> {
    this.end({ kind: "host-request" });
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

/** A monitor that starts `machine`. */
export function playedVmm(machine: VirtualMachine): Vmm {
  return {
    name: "qemu",
    capabilities: qemuCapabilities,
    description: "played",
    start: () => Promise.resolve(machine),
  };
}
