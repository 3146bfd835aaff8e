// The doctor's look at the machine: what runs guests here, and how fast.

import { type Architecture, architectures, KelpieError, type Platform } from "@kelpie/platform";
import {
  chooseAccelerator,
  findDaemonVsock,
  findKernelVsock,
  findQemu,
  findVirtioFsDaemon,
  virtioFsInstallation,
} from "@kelpie/sandbox";
import { installByHand } from "../setup/install-missing.ts";
import { emulatorsFor } from "../setup/requirement.ts";
import type { Finding } from "./finding.ts";

const mebibyte = 1 << 20;
const leastMemoryBytes = 1024 * mebibyte;

/** The host itself: whether Kelpie has been proven on its kind, and has room. */
export function examineHost({ host }: Pick<Platform, "host">): Finding {
  const { operatingSystem, architecture, cpuCount, memoryBytes } = host;
  const memory = `${Math.floor(memoryBytes / mebibyte)} MiB of memory`;
  const found = `${operatingSystem} on ${architecture ?? "another processor"}, ${cpuCount} processors, ${memory}`;
  const subject = "host";
  if (architecture === undefined) {
    return { subject, verdict: "broken", found, cost: "Kelpie makes images for amd64 and arm64" };
  }
  if (operatingSystem !== "linux" || architecture !== "amd64") {
    return { subject, verdict: "limited", found, cost: "not proven: Kelpie is tested on Linux on amd64" };
  }
  if (memoryBytes < leastMemoryBytes) {
    const cost = "a sandbox has 512 MiB unless told otherwise";
    return { subject, verdict: "limited", found, cost, fix: "kelpie run --memory 256 -- …" };
  }
  return { subject, verdict: "ok", found };
}

/** The emulators, of which the host's own architecture's is the one that must be there. */
export async function examineEmulators(platform: Platform): Promise<Finding[]> {
  return await Promise.all(architectures.map((architecture) => examineEmulator(platform, architecture)));
}

async function examineEmulator(platform: Platform, architecture: Architecture): Promise<Finding> {
  const subject = `QEMU for ${architecture}`;
  const isOwn = architecture === platform.host.architecture;
  try {
    const { program } = await findQemu(platform, architecture);
    const { stdout } = await platform.processes.run(program, ["--version"], { timeoutMs: 10_000 });
    const version = /version (\S+)/.exec(new TextDecoder().decode(stdout))?.[1];
    if (version === undefined) {
      return { subject, verdict: "broken", found: `${program} does not say its version` };
    }
    return { subject, verdict: "ok", found: `${version} (${program})` };
  } catch (error) {
    if (!KelpieError.is(error) || error.code !== "missing-tool") throw error;
    const byHand = await installByHand(platform, emulatorsFor([architecture]));
    return {
      subject,
      verdict: isOwn ? "broken" : "limited",
      found: error.message,
      cost: `no sandbox of an image for ${architecture}`,
      ...(byHand === undefined ? {} : { fix: byHand }),
    };
  }
}

/** Whether a guest of the host's own architecture gets hardware virtualisation: proven by running one, not by a device node. */
export async function examineAcceleration(
  platform: Platform,
  home: string,
  signal: AbortSignal,
): Promise<Finding[]> {
  const { architecture } = platform.host;
  if (architecture === undefined) return [];
  const subject = "acceleration";
  try {
    const qemu = await findQemu(platform, architecture);
    const { accelerator, fallback } = await chooseAccelerator(platform, home, architecture, qemu, signal);
    if (fallback === undefined)
      return [{ subject, verdict: "ok", found: `${accelerator}: a guest ran on it` }];
    return [
      {
        subject,
        verdict: "limited",
        found: fallback,
        cost: "computing in a sandbox is many times slower than here; starting one takes seconds, or a tenth of one when warm",
        fix: await virtualisationAdvice(platform),
      },
    ];
  } catch (error) {
    // The emulator's absence has a finding of its own.
    if (KelpieError.is(error) && error.code === "missing-tool") return [];
    throw error;
  }
}

async function virtualisationAdvice({ host, files }: Platform): Promise<string> {
  if (host.operatingSystem !== "linux") return "run Kelpie on hardware, or where nested virtualisation is on";
  const device = await files.stat("/dev/kvm");
  if (device === undefined) {
    return "load the kvm module, enable virtualisation in the firmware, or turn nested virtualisation on";
  }
  return "if /dev/kvm may not be opened, `sudo usermod -aG kvm $USER` and log in again; else it is the host's to offer";
}

/** What the guest could be reached and given directories by, beyond what is always there. */
export async function examineDevices(platform: Platform): Promise<Finding[]> {
  if (platform.host.operatingSystem !== "linux") return [];
  return [await examineVsock(platform), await examineVirtioFs(platform)];
}

async function examineVsock(platform: Platform): Promise<Finding> {
  const findings = [await findKernelVsock(platform), await findDaemonVsock(platform)];
  const found = findings.map((finding) => {
    if (finding.kind === "absent") return finding.found;
    return finding.device.kind === "vhost-vsock"
      ? "/dev/vhost-vsock and socat are here (not proven with Kelpie)"
      : finding.device.daemon;
  });
  const why = "nothing needs it: QEMU's guests are reached through virtio-serial";
  return { subject: "vsock", verdict: "ok", found: `${found.join("; ")}; ${why}` };
}

async function examineVirtioFs(platform: Platform): Promise<Finding> {
  const subject = "virtio-fs";
  const daemon = await findVirtioFsDaemon(platform);
  if (daemon !== undefined) return { subject, verdict: "ok", found: daemon.program };
  return {
    subject,
    verdict: "limited",
    found: "virtiofsd is not installed",
    cost: "directories can be shared by disk and by 9p alone, and large ones not as they are by default",
    fix: virtioFsInstallation,
  };
}
