// By which way a sandbox's agent is reached, where a person chooses it.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { Vmm, VmSpec } from "../vmm/vmm.ts";
import { findDaemonVsock, findKernelVsock, type VsockFinding } from "../vmm/vsock/vsock-device.ts";

/**
 * `auto` is the monitor's own choice, and QEMU's is virtio-serial (docs/adr/0008-agent-transport.md). `vsock` is the kernel's
 * device where it can be used and else the daemon's; each can be named.
 */
export type AgentTransport = "auto" | "virtio-serial" | "vsock" | "vhost-vsock" | "vhost-user-vsock";
const transports: readonly AgentTransport[] = [
  "auto",
  "virtio-serial",
  "vsock",
  "vhost-vsock",
  "vhost-user-vsock",
];

/** A transport by its name. @throws KelpieError `usage` */
export function parseAgentTransport(text: string): AgentTransport {
  const found = transports.find((name) => name === text);
  if (found !== undefined) return found;
  throw new KelpieError("usage", "There is no such way to a sandbox's agent", {
    expected: transports.join(", "),
    found: JSON.stringify(text.slice(0, 40)),
  });
}

/** What a machine of `vmm` is asked for. `missing-tool` where no device is to be had, with what would help. */
export async function chooseTransport(
  platform: Pick<Platform, "files" | "processes">,
  { name }: Pick<Vmm, "name">,
  transport: AgentTransport,
): Promise<Pick<VmSpec, "carrier" | "vsockDevice">> {
  switch (transport) {
    case "auto":
      return {};
    case "virtio-serial":
      return { carrier: "virtio-serial" };
    case "vsock":
      // Other monitors have a vsock of their own.
      if (name !== "qemu") return { carrier: "vsock" };
      return overFirst([await findKernelVsock(platform), await findDaemonVsock(platform)]);
    case "vhost-vsock":
      return overFirst([await findKernelVsock(platform)]);
    case "vhost-user-vsock":
      return overFirst([await findDaemonVsock(platform)]);
    default:
      return transport satisfies never;
  }
}

function overFirst(findings: readonly VsockFinding[]): Pick<VmSpec, "carrier" | "vsockDevice"> {
  const absences: string[] = [];
  const fixes: string[] = [];
  for (const finding of findings) {
    if (finding.kind === "usable") return { carrier: "vsock", vsockDevice: finding.device };
    absences.push(finding.found);
    fixes.push(finding.fix);
  }
  throw new KelpieError("missing-tool", "This machine has no vsock for a guest of QEMU", {
    found: absences.join("; "),
    help: `${fixes.join("; or ")}. Or leave --agent-transport out: virtio-serial needs nothing.`,
  });
}
