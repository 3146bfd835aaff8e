// libkrun among the monitors.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { Backend, BackendFinding, OpenBackendOptions } from "../backend.ts";
import { whyNoGuests } from "../probe/why-no-guests.ts";
import { libkrunCapabilities } from "./capabilities.ts";
import { findLibkrun, type LibkrunInstallation } from "./find-libkrun.ts";
import { LibkrunVmm } from "./libkrun-vmm.ts";
import { requireCapabilities } from "../require-capabilities.ts";
import type { Vmm } from "../vmm.ts";

export const libkrunBackend: Backend = {
  async open(platform, options) {
    const installation = await findLibkrun(platform, options.signal);
    const { architecture, home } = options;
    const capabilities = libkrunCapabilities(platform.host);
    requireCapabilities({ name: "libkrun", capabilities }, { architecture });
    const vmm = new LibkrunVmm(platform, installation, home);
    const why = await whyNot(platform, options, vmm, installation);
    if (why !== undefined) {
      throw new KelpieError("unsupported", "libkrun cannot run guests on this machine", {
        found: why,
        help: "QEMU can: --vmm qemu",
      });
    }
    return vmm;
  },
  attach() {
    return Promise.reject(new KelpieError("unsupported", "The monitor libkrun keeps no machines"));
  },
  async examine(platform, options): Promise<BackendFinding> {
    try {
      const installation = await findLibkrun(platform, options.signal);
      const { file: found } = installation;
      const vmm = new LibkrunVmm(platform, installation, options.home);
      const why = await whyNot(platform, options, vmm, installation);
      return why === undefined ? { kind: "usable", found } : { kind: "unusable", found, why };
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      const { code, help } = error;
      const found = code === "missing-tool" ? "not installed" : error.message;
      return { kind: "missing", found, ...(help === undefined ? {} : { fix: help }) };
    }
  },
};

/** Why no guest runs here; undefined where nothing is known against it: on macOS nothing is looked at. */
async function whyNot(
  platform: Platform,
  options: OpenBackendOptions,
  vmm: Vmm,
  { file }: LibkrunInstallation,
): Promise<string | undefined> {
  if (platform.host.operatingSystem === "darwin") return undefined;
  const status = await platform.files.stat(file);
  const buildId = `${file}:${status?.sizeBytes ?? 0}:${status?.mtimeMs ?? 0}`;
  return await whyNoGuests(platform, options, { vmm, buildId });
}
