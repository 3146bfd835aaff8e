// libkrun among the monitors.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { Backend, BackendFinding, OpenBackendOptions } from "../backend.ts";
import { whyNoGuests } from "../probe/why-no-guests.ts";
import { libkrunCapabilities } from "./capabilities.ts";
import { findLibkrun } from "./find-libkrun.ts";
import { LibkrunVmm } from "./libkrun-vmm.ts";
import { requireCapabilities } from "../require-capabilities.ts";

export const libkrunBackend: Backend = {
  async open(platform, options) {
    const installation = await findLibkrun(platform, options.signal);
    const { architecture, home } = options;
    const capabilities = libkrunCapabilities(platform.host);
    requireCapabilities({ name: "libkrun", capabilities }, { architecture });
    const why = await whyNot(platform, options);
    if (why !== undefined) {
      throw new KelpieError("unsupported", "libkrun cannot run guests on this machine", {
        found: why,
        help: "QEMU can: --vmm qemu",
      });
    }
    return new LibkrunVmm(platform, installation, home);
  },
  attach() {
    return Promise.reject(new KelpieError("unsupported", "The monitor libkrun keeps no machines"));
  },
  async examine(platform, options): Promise<BackendFinding> {
    try {
      const { file: found } = await findLibkrun(platform, options.signal);
      const why = await whyNot(platform, options);
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
function whyNot(platform: Platform, options: OpenBackendOptions): Promise<string | undefined> {
  return platform.host.operatingSystem === "darwin"
    ? Promise.resolve(undefined)
    : whyNoGuests(platform, options);
}
