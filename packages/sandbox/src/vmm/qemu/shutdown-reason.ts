// Why QEMU stopped, from its SHUTDOWN event (QAPI `ShutdownCause`).

import type { StopReason } from "../vm-state.ts";

/** The reason for the event's cause. */
export function shutdownReason(cause: unknown): StopReason {
  switch (cause) {
    case "guest-shutdown":
      return { kind: "guest-shutdown" };
    case "guest-reset":
    case "subsystem-reset":
      return { kind: "guest-reset" };
    case "guest-panic":
      return { kind: "guest-panicked" };
    default:
      return { kind: "host-request" };
  }
}
