// libkrun among the monitors.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { Backend, BackendFinding } from "../backend.ts";
import { libkrunCapabilities } from "./capabilities.ts";
import { findLibkrun } from "./find-libkrun.ts";
import { LibkrunVmm } from "./libkrun-vmm.ts";
import { requireCapabilities } from "../require-capabilities.ts";

export const libkrunBackend: Backend = {
  async open(platform, { architecture, home, signal }) {
    const installation = await findLibkrun(platform, signal);
    const capabilities = libkrunCapabilities(platform.host);
    requireCapabilities({ name: "libkrun", capabilities }, { architecture });
    const why = await whyNot(platform);
    if (why !== undefined) {
      throw new KelpieError("unsupported", "libkrun needs hardware virtualisation", {
        found: why,
        help: "QEMU emulates where there is none: --vmm qemu",
      });
    }
    return new LibkrunVmm(platform, installation, home);
  },
  attach() {
    return Promise.reject(new KelpieError("unsupported", "The monitor libkrun keeps no machines"));
  },
  async examine(platform, { architecture, signal }): Promise<BackendFinding> {
    try {
      const { file: found } = await findLibkrun(platform, signal);
      const other = platform.host.architecture !== architecture;
      const why = other ? `it runs no guest for ${architecture} here` : await whyNot(platform);
      return why === undefined ? { kind: "usable", found } : { kind: "unusable", found, why };
    } catch (error) {
      if (!KelpieError.is(error)) throw error;
      const { code, help } = error;
      const found = code === "missing-tool" ? "not installed" : error.message;
      return { kind: "missing", found, ...(help === undefined ? {} : { fix: help }) };
    }
  },
};

/** Why no guest runs by libkrun on this machine; undefined where nothing says so. */
async function whyNot({ files, host }: Pick<Platform, "files" | "host">): Promise<string | undefined> {
  if (host.operatingSystem !== "linux") return undefined;
  return (await files.stat("/dev/kvm")) === undefined ? "there is no /dev/kvm" : undefined;
}
