// The life of a virtual machine as a state machine: states, events and the one function between them.

import type { ProcessExit } from "@kelpie/platform";

/** Why a machine stopped. The first reason that was seen is kept: what follows is its consequence. */
export type StopReason =
  | { readonly kind: "guest-shutdown" } // the guest powered itself off
  | { readonly kind: "guest-reset" } // the guest rebooted, which a kernel panic does too
  | { readonly kind: "guest-panicked" }
  | { readonly kind: "host-request" } // we asked for it
  | { readonly kind: "expired" } // its time to live was over
  | { readonly kind: "idle" } // nobody used it for as long as it was to wait
  | { readonly kind: "abandoned" } // whoever started it was gone before it was ready
  | { readonly kind: "monitor-lost" } // the monitor's control channel broke
  | { readonly kind: "keeper-lost" } // the keeper of a machine that lives on was killed, and the machine with it
  | { readonly kind: "process-exited"; readonly exit: ProcessExit };

/**
 * `starting` → `running` → `stopping` → `stopped`, never backwards; any state may be skipped.
 * `running` means that the processor runs, not that the guest is ready.
 */
export type VmState =
  | { readonly kind: "starting" }
  | { readonly kind: "running" }
  | { readonly kind: "stopping"; readonly reason: StopReason }
  | { readonly kind: "stopped"; readonly reason: StopReason };

/** What can happen to a machine. */
export type VmEvent =
  | { readonly kind: "monitor-ready" }
  | { readonly kind: "ending"; readonly reason: StopReason }
  | { readonly kind: "process-gone"; readonly exit: ProcessExit };

/** The state after `event`. */
export function nextVmState(state: VmState, event: VmEvent): VmState {
  switch (event.kind) {
    case "monitor-ready":
      return state.kind === "starting" ? { kind: "running" } : state;
    case "ending":
      return isEnding(state) ? state : { kind: "stopping", reason: event.reason };
    case "process-gone":
      return state.kind === "stopped"
        ? state
        : {
            kind: "stopped",
            reason: isEnding(state) ? state.reason : { kind: "process-exited", exit: event.exit },
          };
    default:
      return event satisfies never;
  }
}

function isEnding(state: VmState): state is Extract<VmState, { reason: StopReason }> {
  return state.kind === "stopping" || state.kind === "stopped";
}

/** The reason in words, for a message to a person. */
export function describeStop(reason: StopReason): string {
  switch (reason.kind) {
    case "guest-shutdown":
      return "the guest powered off";
    case "guest-reset":
      return "the guest reset itself";
    case "guest-panicked":
      return "the guest's kernel panicked";
    case "host-request":
      return "it was stopped by its owner";
    case "expired":
      return "its time to live was over";
    case "idle":
      return "nobody used it for its idle timeout";
    case "abandoned":
      return "its creator was gone before it was ready";
    case "keeper-lost":
      return "its keeper was killed";
    case "monitor-lost":
      return "the control channel to the virtual machine monitor broke";
    case "process-exited":
      return `the virtual machine monitor ended with ${describeExit(reason.exit)}`;
    default:
      return reason satisfies never;
  }
}

function describeExit(exit: ProcessExit): string {
  return exit.kind === "exited" ? `exit code ${exit.code}` : exit.signal;
}
