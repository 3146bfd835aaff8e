// What a virtual machine monitor does for a sandbox, apart from which one it is.

import type { Duplex } from "node:stream";
import type { Architecture } from "@kelpie/platform";
import type { ConsoleLog } from "./console-log.ts";
import type { StopReason, VmState } from "./vm-state.ts";

/** The four files a guest boots from, by path. Nothing of it is ever written to. */
export interface BootImage {
  readonly architecture: Architecture;
  /** An ext4 image with the label `kelpie-root`; shared, read only, by any number of machines. */
  readonly rootfs: string;
  readonly kernel: string;
  readonly initrd: string;
}

/** The shape of one virtual machine. */
export interface VmSpec {
  readonly image: BootImage;
  readonly memoryMiB: number;
  readonly cpus: number;
  /** How many agent ports the guest gets: one session each. */
  readonly agentPorts: number;
  readonly hostname: string;
  /** Size of the root disk that the guest sees; at least the image's. The image's own when absent. */
  readonly diskBytes?: number;
  /** An empty directory of this machine alone, mode 0700, for sockets, the console log and the writable layer. */
  readonly runDirectory: string;
}

/** Starts virtual machines. */
export interface Vmm {
  /** Its name and version, for people. */
  readonly description: string;
  /**
   * Starts a machine; resolves once its processor runs, long before the guest is ready.
   * `missing-tool`, `boot-failed` with the monitor's own words, `cancelled`.
   */
  start(spec: VmSpec, signal: AbortSignal): Promise<VirtualMachine>;
}

/** A started machine. Disposing it ends it at once and resolves when nothing of it is left. */
export interface VirtualMachine extends AsyncDisposable {
  readonly state: VmState;
  /** Resolves when the machine is gone; never rejects. */
  readonly stopped: Promise<StopReason>;
  readonly console: ConsoleLog;
  /** What the monitor itself wrote: the end of its standard error. */
  readonly monitorOutput: string;
  /** Opens the host's side of agent port `index`. A port has one user at a time. */
  connectAgent(index: number, signal: AbortSignal): Promise<Duplex>;
}
