// The devices by which a guest's agent is reached, and where the host finds the other end.

import type { VmSpec } from "../vmm.ts";
import { daemonGuestCid, type DaemonSockets } from "../vsock/daemon-command.ts";
import type { VsockEndpoint } from "../vsock/vsock-endpoint.ts";
import type { QemuOption } from "./option.ts";
import { socketDirectory, sockets } from "./sockets.ts";

type Shape = Pick<VmSpec, "agentPorts" | "carrier" | "runDirectory" | "vsockDevice">;

/** Where a machine's vsock daemon listens: seen from the run directory, as it and QEMU see it. */
export const daemonSockets: DaemonSockets = {
  vhost: `${socketDirectory}/vhost`,
  host: `${socketDirectory}/vsock`,
};

/**
 * Ports of virtio-serial, or a vsock device. `guestCid` is the guest's address where the kernel moves vsock's bytes, and
 * `vhost` a descriptor of the kernel's device where QEMU may not open it.
 */
export function carrierOptions(spec: Shape, guestCid: number, vhost?: number): QemuOption[] {
  const { carrier = "virtio-serial", vsockDevice } = spec;
  if (carrier === "virtio-serial") return serialPorts(spec);
  switch (vsockDevice?.kind) {
    case "vhost-vsock":
      return [
        ["-device", `vhost-vsock-pci,guest-cid=${guestCid}${vhost === undefined ? "" : `,vhostfd=${vhost}`}`],
      ];
    case "vhost-user-vsock":
      return [
        ["-chardev", `socket,id=vsock,path=${daemonSockets.vhost}`],
        ["-device", "vhost-user-vsock-pci,chardev=vsock"],
      ];
    case undefined:
      return [];
    default:
      return vsockDevice satisfies never;
  }
}

/** The host's end of the machine's vsock; undefined where the agent is reached by virtio-serial. */
export function vsockEndpoint(spec: Shape, guestCid: number): VsockEndpoint | undefined {
  const { vsockDevice } = spec;
  switch (vsockDevice?.kind) {
    case "vhost-vsock":
      return { kind: "vsock", guestCid, socat: vsockDevice.socat };
    case "vhost-user-vsock":
      return { kind: "unix", path: `${spec.runDirectory}/${daemonSockets.host}` };
    case undefined:
      return undefined;
    default:
      return vsockDevice satisfies never;
  }
}

/** The address of a guest whose device is no machine's yet, or has a daemon of its own. */
export const anyGuestCid = daemonGuestCid;

function serialPorts({ agentPorts }: Shape): QemuOption[] {
  const ports = Array.from({ length: agentPorts }, (_, index): QemuOption[] => [
    ["-chardev", `socket,id=agent${index},path=${sockets.agent(index)},server=on,wait=off`],
    // Port 0 of the bus is reserved for a console of the old kind.
    [
      "-device",
      `virtserialport,bus=agents.0,nr=${index + 1},chardev=agent${index},name=kelpie.agent.${index}`,
    ],
  ]);
  return [["-device", `virtio-serial-pci,id=agents,max_ports=${agentPorts + 1}`], ...ports.flat()];
}
