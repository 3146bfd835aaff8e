// What libkrun can: a machine that boots, runs and ends with whoever started it.

import type { Host } from "@kelpie/platform";
import type { VmmCapabilities } from "../capabilities.ts";

export function libkrunCapabilities({ architecture, operatingSystem }: Host): VmmCapabilities {
  return {
    // It is nothing without hardware virtualisation, which runs the host's own architecture.
    architectures: architecture === undefined ? [] : [architecture],
    carriers: ["vsock"],
    // Its whole process is stopped. Elsewhere than on Linux the shell that ends it with us would stand still too.
    pauses: operatingSystem === "linux",
    restores: false,
    keeps: false,
    plugs: [],
    sharesDirectories: true,
  };
}
