// Where Firecracker is, which it is, and whether this machine can run its guests.

import { KelpieError, type Platform } from "@kelpie/platform";
import { chooseAccelerator } from "../probe/choose-accelerator.ts";
import type { OpenBackendOptions } from "../backend.ts";
import { findQemu } from "../qemu/find-qemu.ts";

/** An installed Firecracker. */
export interface FirecrackerInstallation {
  /** The absolute path of the program. */
  readonly program: string;
  /** As it says itself: `v1.12.0`. */
  readonly version: string;
  /** Changes when the program does: its path, size and time. */
  readonly buildId: string;
}

const device = "/dev/kvm";
export const installFirecracker =
  "Put the program of a release of github.com/firecracker-microvm/firecracker on PATH as firecracker";

/** Finds it on PATH; undefined where it is not. `process-failed` for a program that is something else. */
export async function findFirecracker({
  processes,
  files,
}: Pick<Platform, "processes" | "files">): Promise<FirecrackerInstallation | undefined> {
  const program = await processes.find("firecracker");
  const status = program === undefined ? undefined : await files.stat(program);
  if (program === undefined || status === undefined) return undefined;
  const { stdout } = await processes.run(program, ["--version"], { timeoutMs: 10_000 });
  const version = /^Firecracker (v\d[\w.+-]{0,40})/m.exec(Buffer.from(stdout).toString("latin1"))?.[1];
  if (version === undefined) {
    throw new KelpieError("process-failed", "What is on PATH as firecracker is not Firecracker", {
      where: program,
    });
  }
  return { program, version, buildId: `${program}:${version}:${status.sizeBytes}:${status.mtimeMs}` };
}

/** Why its guests cannot run here; undefined where nothing is known against it. */
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
