// The devices by which QEMU gives a guest vsock, and which of them this machine offers.

import { KelpieError, type Platform } from "@kelpie/platform";

/** A virtio-vsock device of QEMU's, and who moves its bytes. */
export type VsockDevice =
  /** The host's kernel. Its end is an AF_VSOCK socket, which Node cannot open: socat does. */
  | { readonly kind: "vhost-vsock"; readonly socat: string }
  /** A daemon beside QEMU, which must see the guest's memory. Its end is a Unix socket. */
  | { readonly kind: "vhost-user-vsock"; readonly daemon: string };

/** Why a device cannot be had here, and what would help. */
export interface VsockAbsence {
  readonly found: string;
  readonly fix: string;
}

export type VsockFinding =
  | { readonly kind: "usable"; readonly device: VsockDevice }
  | ({ readonly kind: "absent" } & VsockAbsence);

/** The kernel's device: whoever has it opened moves bytes between guests and the host. */
export const vhostVsockDevice = "/dev/vhost-vsock";
const daemonProgram = "vhost-device-vsock";

type Parts = Pick<Platform, "files" | "processes">;

/** Whether the kernel's device can be used by us: opened, as QEMU will, and with a program that reaches its other end. */
export async function findKernelVsock({ files, processes }: Parts): Promise<VsockFinding> {
  const why = await whyNotOpened(files);
  if (why !== undefined) {
    return {
      ...{ kind: "absent", found: why },
      fix: "sudo modprobe vhost_vsock, and membership of the group that may open it (often kvm)",
    };
  }
  const socat = await processes.find("socat");
  if (socat !== undefined) return { kind: "usable", device: { kind: "vhost-vsock", socat } };
  const found = `${vhostVsockDevice} is here, and no socat to connect through it`;
  return { kind: "absent", found, fix: "sudo apt-get install -y --no-install-recommends socat" };
}

/** Whether the daemon is installed. */
export async function findDaemonVsock({ processes }: Pick<Parts, "processes">): Promise<VsockFinding> {
  const daemon = await processes.find(daemonProgram);
  if (daemon !== undefined) return { kind: "usable", device: { kind: "vhost-user-vsock", daemon } };
  return {
    ...{ kind: "absent", found: `${daemonProgram} is not installed` },
    fix: `the package ${daemonProgram} (Fedora, newer Debian and Ubuntu), or cargo install --locked ${daemonProgram}`,
  };
}

async function whyNotOpened(files: Parts["files"]): Promise<string | undefined> {
  try {
    await using _device = await files.open(vhostVsockDevice, "update");
    return undefined;
  } catch (error) {
    if (!KelpieError.is(error)) throw error;
    return error.code === "not-found" ? `no ${vhostVsockDevice}` : `${vhostVsockDevice} may not be opened`;
  }
}
