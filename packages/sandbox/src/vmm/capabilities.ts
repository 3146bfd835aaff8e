// What a virtual machine monitor can and cannot do, as data.

import type { Architecture } from "@kelpie/platform";
import type { PluggableDevice } from "./pluggable.ts";

/** The monitors that there are. */
export type VmmName = "qemu" | "libkrun" | "firecracker";
export const vmmNames: readonly VmmName[] = ["qemu", "libkrun", "firecracker"];

/** `auto` is QEMU, and another only where QEMU is not installed (docs/backends.md). */
export type VmmChoice = VmmName | "auto";

/** How bytes get between host and agent (docs/boot-contract.md, "Agent ports"). */
export type AgentCarrier = "virtio-serial" | "vsock";

/** A kind of device that a running machine may be given. */
export type DeviceKind = PluggableDevice["kind"];

/** See the head of this file. */
export interface VmmCapabilities {
  /** Of guests, on this host. */
  readonly architectures: readonly Architecture[];
  /** The ways to the agent, the one that it takes by itself first. */
  readonly carriers: readonly AgentCarrier[];
  /** Whether a processor can be stopped and go on. */
  readonly pauses: boolean;
  /** Whether a machine can be saved, and others started from what was saved. */
  readonly restores: boolean;
  /** Whether a machine can outlive the process that started it. */
  readonly keeps: boolean;
  /** What can be plugged into a running machine; `virtiofs` is one with a daemon of ours behind it. */
  readonly plugs: readonly DeviceKind[];
  /** Whether it offers directories by virtio-fs itself, from the machine's start: {@link VmSpec.sharedDirectories}. */
  readonly sharesDirectories: boolean;
}
