// Why a monitor that needs Linux's KVM cannot run guests on this machine.

import { hostBootId, type Platform } from "@kelpie/platform";
import type { OpenBackendOptions } from "../backend.ts";
import { findQemu } from "../qemu/find-qemu.ts";
import type { Vmm } from "../vmm.ts";
import { chooseAccelerator } from "./choose-accelerator.ts";
import { keptVerdict } from "./kept-verdict.ts";
import { proveMonitor } from "./prove-monitor.ts";

const device = "/dev/kvm";

/** A monitor, and what its verdict depends on beside the host: its build, as text. */
export interface MonitorToProve {
  readonly vmm: Vmm;
  readonly buildId: string;
}

/** The reason; undefined where nothing is known against it. What `monitor` was found to do is kept. */
export async function whyNoGuests(
  platform: Platform,
  { architecture, home, signal }: OpenBackendOptions,
  { vmm, buildId }: MonitorToProve,
): Promise<string | undefined> {
  const { files, host } = platform;
  if (host.operatingSystem !== "linux") return "it needs Linux's KVM";
  if (architecture !== host.architecture) return `a guest for ${architecture} has another kind of processor`;
  if ((await files.stat(device)) === undefined) return `there is no ${device}`;
  try {
    await (await files.open(device, "update")).close();
  } catch {
    return `${device} may not be opened: sudo usermod -aG kvm $USER, and log in again`;
  }
  // A device that opens is no proof: a guest of some hundred bytes is.
  if (architecture === "amd64") {
    const key = `${await hostBootId(files)} ${buildId}`;
    const { result } = await keptVerdict(platform, home, `monitor-${vmm.name}`, key, () =>
      proveMonitor(platform, vmm, signal),
    );
    return result.works ? undefined : result.reason;
  }
  // There is no such guest for arm64 yet: where QEMU is here, its verdict counts.
  const qemu = await findQemu(platform, architecture).catch(() => undefined);
  if (qemu === undefined) return undefined;
  const { accelerator, fallback } = await chooseAccelerator(platform, home, architecture, qemu, signal);
  return accelerator === "kvm" ? undefined : fallback;
}
