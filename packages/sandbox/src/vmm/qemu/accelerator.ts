// Who runs the guest's instructions.

import type { Architecture, Host } from "@kelpie/platform";

/** `tcg` is emulation: slower, and possible everywhere. */
export type Accelerator = "kvm" | "hvf" | "tcg";

/** The hardware virtualisation to try for a guest on this host; undefined where there can be none. */
export function hardwareAccelerator(
  { operatingSystem, architecture }: Host,
  guest: Architecture,
): Exclude<Accelerator, "tcg"> | undefined {
  if (architecture !== guest) return undefined;
  switch (operatingSystem) {
    case "linux":
      return "kvm";
    case "darwin":
      return "hvf";
    case "other":
      return undefined;
    default:
      return operatingSystem satisfies never;
  }
}
