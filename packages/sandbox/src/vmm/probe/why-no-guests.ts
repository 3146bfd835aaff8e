// Why a monitor that needs Linux's KVM cannot run guests on this machine.

import type { Platform } from "@kelpie/platform";
import type { OpenBackendOptions } from "../backend.ts";
import { findQemu } from "../qemu/find-qemu.ts";
import { chooseAccelerator } from "./choose-accelerator.ts";

const device = "/dev/kvm";

/** The reason; undefined where nothing is known against it. */
export async function whyNoGuests(
  platform: Platform,
  { architecture, home, signal }: OpenBackendOptions,
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
  // A device that opens is no proof; where QEMU is here, a guest of 512 bytes is.
  const qemu = await findQemu(platform, architecture).catch(() => undefined);
  if (qemu === undefined) return undefined;
  const { accelerator, fallback } = await chooseAccelerator(platform, home, architecture, qemu, signal);
  return accelerator === "kvm" ? undefined : fallback;
}
