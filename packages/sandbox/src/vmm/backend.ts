// What each monitor says of itself where sandboxes are made, opened and examined.

import type { Architecture, Platform } from "@kelpie/platform";
import type { AttachedMachine, Vmm } from "./vmm.ts";

/** What a monitor is opened for. */
export interface OpenBackendOptions {
  /** Of the guests. */
  readonly architecture: Architecture;
  /** KELPIE_HOME: what was found out about this host is kept there. */
  readonly home: string;
  readonly signal: AbortSignal;
}

/** Whether a monitor can be used here for an architecture, without starting anything. */
export type BackendFinding =
  /** It is here, and guests can run. */
  | { readonly kind: "usable"; readonly found: string }
  /** It is here, and cannot run guests on this machine: `why`. */
  | { readonly kind: "unusable"; readonly found: string; readonly why: string }
  | { readonly kind: "missing"; readonly found: string; readonly fix?: string };

/** What attaching to a machine takes of the outside. */
export type AttachParts = Pick<Platform, "clock" | "files" | "host" | "network" | "processes" | "random">;

/** One monitor. */
export interface Backend {
  /** `missing-tool` with the command that installs it; `unsupported` where it cannot run guests on this machine. */
  open(platform: Platform, options: OpenBackendOptions): Promise<Vmm>;
  /** The machine of a run directory, which its keeper keeps. `guest-lost`; `unsupported` where it keeps none. */
  attach(platform: AttachParts, directory: string): Promise<AttachedMachine>;
  /** Starts nothing but the accelerator probe, whose verdict is kept. */
  examine(platform: Platform, options: OpenBackendOptions): Promise<BackendFinding>;
}
