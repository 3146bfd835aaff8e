// Which accelerator a guest gets: hardware virtualisation where it is proven to work, emulation otherwise.

import { type Architecture, hostBootId, type Platform } from "@kelpie/platform";
import { type Accelerator, hardwareAccelerator } from "../qemu/accelerator.ts";
import type { QemuInstallation } from "../qemu/find-qemu.ts";
import { keptVerdict } from "./kept-verdict.ts";
import { probeAccelerator } from "./probe-accelerator.ts";

/** The choice, and for people why it is emulation. */
export interface AcceleratorChoice {
  readonly accelerator: Accelerator;
  /** One line; undefined where hardware virtualisation is used. */
  readonly fallback: string | undefined;
  /** Whether this was found out just now, so that a person has not been told yet. */
  readonly isNews: boolean;
}

/**
 * Chooses. The probe's result is kept in `KELPIE_HOME/cache` for as long as this host runs and its QEMU stays the same.
 */
export async function chooseAccelerator(
  platform: Platform,
  home: string,
  architecture: Architecture,
  qemu: QemuInstallation,
  signal: AbortSignal,
): Promise<AcceleratorChoice> {
  const hardware = hardwareAccelerator(platform.host, architecture);
  if (hardware === undefined) {
    return emulation(`a guest for ${architecture} has another kind of processor than this host`, false);
  }
  // A host that was started anew may have a new kernel, which brings what was missing.
  const key = `${hardware} ${await hostBootId(platform.files)} ${qemu.buildId}`;
  const { result, isNews } = await keptVerdict(platform, home, `accelerator-${architecture}`, key, () =>
    probeAccelerator(platform, qemu.program, architecture, hardware, signal),
  );
  return result.works
    ? { accelerator: hardware, fallback: undefined, isNews }
    : emulation(result.reason, isNews);
}

function emulation(reason: string, isNews: boolean): AcceleratorChoice {
  return {
    accelerator: "tcg",
    isNews,
    fallback: `No hardware virtualisation (${reason}): the guest is emulated, which is slower.`,
  };
}
