// What a virtual machine monitor does for a sandbox, apart from which one it is.

import type { Duplex } from "node:stream";
import type { Architecture } from "@kelpie/platform";
import type { AgentCarrier, VmmCapabilities, VmmName } from "./capabilities.ts";
import type { ConsoleLog } from "./console-log.ts";
import type { PluggableDevice, SharedDirectory } from "./pluggable.ts";
import type { StopReason, VmState } from "./vm-state.ts";
import type { VsockDevice } from "./vsock/vsock-device.ts";

/** The four files a guest boots from, by path. Nothing of it is ever written to. */
export interface BootImage {
  readonly architecture: Architecture;
  /** What a sandbox of it is called that has no name of its own, before its id. */
  readonly hostname?: string;
  /** An ext4 image with the label `kelpie-root`; shared, read only, by any number of machines. */
  readonly rootfs: string;
  readonly kernel: string;
  readonly initrd: string;
  /** The kernel mounts the root by itself, and the initrd is left out (docs/boot-contract.md). Default false. */
  readonly withoutInitrd?: boolean;
  /** SHA-256 of the files in hexadecimal, where whoever found them has checked it. */
  readonly digests?: { readonly rootfs: string; readonly kernel: string; readonly initrd: string };
}

/** A machine that was saved and stands still: any number of machines may start from it, and none changes it. */
export interface SavedMachine {
  /** The guest's memory: a sparse file of its size, of which each machine sees a copy of its own. */
  readonly memory: string;
  /** The state of processors and devices. */
  readonly state: string;
  /** The root disk's writable layer as it was. */
  readonly disk: string;
}

/** How a machine comes to run. */
export type VmOrigin =
  | { readonly kind: "boot" }
  /** Boots such that {@link VirtualMachine.save} works: `memory` and `disk` are created, and are its parts of the saved machine. */
  | { readonly kind: "boot-to-save"; readonly memory: string; readonly disk: string }
  /** Goes on where a machine of the same {@link Vmm.stateKey} was saved. */
  | { readonly kind: "restore"; readonly saved: SavedMachine };

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
  /** How many devices can be plugged into the running machine. Default none. */
  readonly plugSlots?: number;
  /** Whether the guest's memory can be mapped by daemons beside the monitor, as virtio-fs needs it. Default false. */
  readonly sharedMemory?: boolean;
  /** Directories that 9p devices will offer. */
  readonly ninepDirectories?: readonly SharedDirectory[];
  /** Directories that the monitor itself offers by virtio-fs, each under its name as the tag. */
  readonly sharedDirectories?: readonly SharedDirectory[];
  /** How the agent is reached: one of the monitor's {@link VmmCapabilities.carriers}, the first of them when absent. */
  readonly carrier?: AgentCarrier;
  /** The device that a monitor without a vsock of its own gives the guest, where vsock is the carrier. */
  readonly vsockDevice?: VsockDevice;
  /** How it lives on when this process ends, under a keeper of its own. Absent: it ends with this process. */
  readonly keep?: KeepOptions;
  /** An empty directory of this machine alone, mode 0700, for sockets, the console log and the writable layer. */
  readonly runDirectory: string;
  /** Default: it boots. */
  readonly origin?: VmOrigin;
}

/** What a keeper does for a machine that outlives the process that started it. Times are in whole seconds. */
export interface KeepOptions {
  /** Ends the machine this long after its release; never when absent. */
  readonly ttlSeconds?: number;
  /** Ends it when no agent port was in use for this long, to within an eighth; never when absent. */
  readonly idleSeconds?: number;
  /** Ends it unless {@link VirtualMachine.release} was called within this time. */
  readonly startWithinSeconds: number;
  /** Whether the run directory goes when the machine has ended. */
  readonly removeAtEnd: boolean;
}

/** What is left of a machine, for whoever asks why it failed. */
export interface Diagnosis {
  readonly console: ConsoleLog;
  /** What the monitor itself wrote: the end of its standard error. */
  readonly monitorOutput: string;
}

/** Starts virtual machines. Every monitor passes the suite in `testing/vmm-compliance`. */
export interface Vmm {
  readonly name: VmmName;
  readonly capabilities: VmmCapabilities;
  /** Its program or library and what it runs on, for people. */
  readonly description: string;
  /** One line for the person, once: why it is slower than this host might be, or why it and no other was chosen. */
  readonly notice?: string | undefined;
  /**
   * Starts a machine; resolves once its processor runs, long before the guest is ready. What its run directory holds
   * then is gone with it, but for `console.log`, the console's beginning up to a bound.
   * `unsupported` for what its capabilities exclude, `not-found`, `missing-tool`, `boot-failed` with the monitor's own
   * words, `cancelled`.
   *
   * A monitor may call `onLaunched` when its process runs and has yet to answer: what the caller has to prepare for the guest
   * costs no time then.
   */
  start(spec: VmSpec, signal: AbortSignal, onLaunched?: () => void): Promise<VirtualMachine>;
  /**
   * Everything that a saved machine depends on beside the content of the image's files, as text: the monitor's build,
   * the accelerator, every device. A machine may be restored where its text is the same. Absent where this monitor
   * cannot save and restore.
   */
  readonly stateKey?: (spec: VmSpec) => Promise<string>;
}

/** A started machine. Disposing it ends it at once and resolves when nothing of it is left. */
export interface VirtualMachine extends AsyncDisposable {
  readonly state: VmState;
  /** Resolves when the machine is gone; never rejects. */
  readonly stopped: Promise<StopReason>;
  /** What it has written so far. */
  diagnose(): Promise<Diagnosis>;
  /**
   * Stops a machine that started as `boot-to-save` and writes the state of its devices to the new file `state`. It never
   * goes on: dispose it. `process-failed` with the monitor's words, `unsupported`, `cancelled`, `timeout`.
   */
  save(state: string, signal: AbortSignal): Promise<void>;
  /** Stops its processor where it is, and {@link resume} lets it go on. `unsupported` by a monitor that cannot. */
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Ends it at once, one that was released too. Resolves when nothing of it runs. */
  kill(): Promise<void>;
  /** Leaves a machine that was started with `keep` to its keeper: disposing this object does not end it any more. */
  release(): Promise<void>;
  /**
   * Opens the host's side of agent port `index`, which has one user at a time; where vsock is the carrier, any index is a
   * connection of its own.
   */
  connectAgent(index: number, signal: AbortSignal): Promise<Duplex>;
  /**
   * Plugs a device into a free slot; the guest notices it some 100 ms later. `limit-exceeded` when no slot is free,
   * `process-failed` with the monitor's words, `unsupported` by a monitor that cannot.
   */
  plug(device: PluggableDevice): Promise<void>;
}

/** What a monitor says of the processor, reduced to what a person asks. */
export type RunStatus =
  | { readonly kind: "running" }
  | { readonly kind: "paused" }
  /** It stands because of something that happened, such as `io-error`. */
  | { readonly kind: "stuck"; readonly state: string };

/** A machine under a keeper, seen from any process. Disposing this leaves the machine as it is. */
export interface AttachedMachine extends VirtualMachine {
  /** Whether the processor runs. `guest-lost`, or `timeout` while somebody else holds the monitor. */
  status(): Promise<RunStatus>;
}
