// QEMU among the monitors.

import { KelpieError } from "@kelpie/platform";
import type { Backend, BackendFinding } from "../backend.ts";
import { KeptMachine } from "../keeper/kept-machine.ts";
import { qemuControl } from "./control.ts";
import { findQemu } from "./find-qemu.ts";
import { openQemu } from "./qemu-vmm.ts";

export const qemuBackend: Backend = {
  open: (platform, options) => openQemu(platform, options),
  attach: (platform, directory) => KeptMachine.attach(platform, directory, qemuControl(platform, directory)),
  async examine(platform, { architecture }): Promise<BackendFinding> {
    try {
      const { program } = await findQemu(platform, architecture);
      return { kind: "usable", found: program };
    } catch (error) {
      if (!KelpieError.is(error) || error.code !== "missing-tool") throw error;
      const { help } = error;
      return { kind: "missing", found: "not installed", ...(help === undefined ? {} : { fix: help }) };
    }
  },
};
