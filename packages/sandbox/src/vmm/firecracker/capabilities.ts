// What Firecracker can: little, and quickly. Its devices are all there from the start, and a guest's processor is the host's.

import type { Architecture } from "@kelpie/platform";
import type { VmmCapabilities } from "../capabilities.ts";

/** On a host of `architecture`. */
export function firecrackerCapabilities(architecture: Architecture): VmmCapabilities {
  return {
    architectures: [architecture],
    carriers: ["vsock"],
    pauses: true,
    restores: true,
    keeps: true,
    plugs: [],
    sharesDirectories: false,
  };
}
