// What QEMU can: everything that is asked of a monitor.

import { architectures } from "@kelpie/platform";
import type { VmmCapabilities } from "../capabilities.ts";

export const qemuCapabilities: VmmCapabilities = {
  architectures,
  carriers: ["virtio-serial", "vsock"],
  pauses: true,
  restores: true,
  keeps: true,
  plugs: ["disk", "virtiofs", "9p", "network"],
  sharesDirectories: false,
};
