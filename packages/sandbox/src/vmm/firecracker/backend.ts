// Firecracker among the monitors.

import { KelpieError } from "@kelpie/platform";
import type { Backend, BackendFinding } from "../backend.ts";
import { KeptMachine } from "../keeper/kept-machine.ts";
import { whyNoGuests } from "../probe/why-no-guests.ts";
import { firecrackerControl } from "./control.ts";
import { findFirecracker, installFirecracker } from "./find-firecracker.ts";
import { firecrackerVmm } from "./firecracker-vmm.ts";

export const firecrackerBackend: Backend = {
  async open(platform, options) {
    const installation = await findFirecracker(platform);
    if (installation === undefined) {
      throw new KelpieError("missing-tool", "firecracker is not installed", { help: installFirecracker });
    }
    const vmm = firecrackerVmm(platform, installation, options.home);
    const why = await whyNoGuests(platform, options, { vmm, buildId: installation.buildId });
    if (why !== undefined) {
      throw new KelpieError("unsupported", "Firecracker cannot run guests on this machine", {
        found: why,
        help: "QEMU can: --vmm qemu",
      });
    }
    return vmm;
  },
  attach: (platform, directory) =>
    KeptMachine.attach(platform, directory, firecrackerControl(platform, directory)),
  async examine(platform, options): Promise<BackendFinding> {
    const installation = await findFirecracker(platform);
    if (installation === undefined)
      return { kind: "missing", found: "not installed", fix: installFirecracker };
    const found = `${installation.version} (${installation.program})`;
    const vmm = firecrackerVmm(platform, installation, options.home);
    const why = await whyNoGuests(platform, options, { vmm, buildId: installation.buildId });
    return why === undefined ? { kind: "usable", found } : { kind: "unusable", found, why };
  },
};
