// Plugging devices into a running QEMU: the QMP commands as data.

import type { JsonObject } from "../../qmp/messages.ts";
import type { NetworkBackend, PluggableDevice, PublishedPort } from "../pluggable.ts";
import type { QemuOption } from "./option.ts";

/** A command of QMP. */
export interface QmpCommand {
  readonly command: string;
  readonly args: JsonObject;
}

/** A device is plugged into slot `index`, which the machine has had from its start. */
function slotName(index: number): string {
  return `slot${index}`;
}

/**
 * The empty slots of a machine: PCI Express root ports, because devices on the root bus itself cannot be plugged in later.
 * All are functions of few devices, which the guest finds quicker than as many devices.
 */
export function slotOptions(count: number): QemuOption[] {
  return Array.from({ length: count }, (_, index) => {
    const place = `addr=0x${(0x10 + (index >> 3)).toString(16)}.${index & 7}`;
    const first = (index & 7) === 0 ? ",multifunction=on" : "";
    return [
      "-device",
      `pcie-root-port,id=${slotName(index)},chassis=${index + 1},slot=${index + 1},${place}${first}`,
    ];
  });
}

/** What to run, in order, to plug `device` into slot `index`. */
export function plugCommands(device: PluggableDevice, index: number): readonly QmpCommand[] {
  const bus = slotName(index);
  const id = `${device.name}-device`;
  switch (device.kind) {
    case "disk":
      return [
        command("blockdev-add", {
          driver: "raw",
          "node-name": device.name,
          "read-only": device.readOnly,
          discard: "unmap",
          // It is read back by us when the guest has been told to write everything: a flush need not reach the host's disk.
          cache: { direct: false, "no-flush": true },
          file: { driver: "file", filename: device.path, "read-only": device.readOnly },
        }),
        command("device_add", {
          driver: "virtio-blk-pci",
          id,
          bus,
          drive: device.name,
          serial: device.name,
        }),
      ];
    case "virtiofs":
      return [
        command("chardev-add", {
          id: device.name,
          backend: {
            type: "socket",
            data: { addr: { type: "unix", data: { path: device.socket } }, server: false },
          },
        }),
        command("device_add", {
          driver: "vhost-user-fs-pci",
          id,
          bus,
          chardev: device.name,
          tag: device.tag,
        }),
      ];
    case "9p":
      return [
        command("device_add", {
          driver: "virtio-9p-pci",
          id,
          bus,
          fsdev: device.directory,
          mount_tag: device.tag,
        }),
      ];
    case "network":
      return [
        command("netdev_add", { id: device.name, ...netdev(device.backend) }),
        command("device_add", {
          driver: "virtio-net-pci",
          id,
          bus,
          netdev: device.name,
          mac: device.mac,
          // No boot ROM: nobody boots from it, and it is a file that need not be installed.
          romfile: "",
        }),
      ];
    default:
      return device satisfies never;
  }
}

/** `-fsdev` for directories that 9p offers: the only kind of backend that QEMU cannot add while it runs. */
export function ninepOptions(
  directories: readonly { readonly name: string; readonly path: string; readonly readOnly: boolean }[],
): QemuOption[] {
  return directories.map(({ name, path, readOnly }) => [
    "-fsdev",
    [
      "local",
      `id=${name}`,
      `path=${path.replaceAll(",", ",,")}`,
      // Files are what they are on both sides, symlinks too, and belong to whoever runs QEMU where an owner cannot be set.
      "security_model=none",
      // A device or socket on the host is none of the guest's business, and one directory may span file systems.
      "multidevs=remap",
      ...(readOnly ? ["readonly=on"] : []),
    ].join(","),
  ]);
}

function netdev(backend: NetworkBackend): JsonObject {
  switch (backend.kind) {
    case "socket":
      return { type: "stream", server: false, addr: { type: "unix", path: backend.path } };
    case "user":
      return { type: "user", hostfwd: backend.publish.map(hostForward) };
    case "closed":
      return { type: "user", restrict: true, hostfwd: backend.publish.map(hostForward) };
    default:
      return backend satisfies never;
  }
}

function hostForward({ hostAddress, hostPort, guestPort }: PublishedPort): JsonObject {
  return { str: `tcp:${hostAddress}:${hostPort}-:${guestPort}` };
}

function command(name: string, args: JsonObject): QmpCommand {
  return { command: name, args };
}
