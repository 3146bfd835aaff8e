// The files of a machine as QEMU reaches them: by their paths, or, where it may not follow these, by descriptors that are
// opened for it.

import { firstHandedDescriptor, type HandedFile } from "@kelpie/platform";
import { vhostVsockDevice } from "../vsock/vsock-device.ts";
import type { VmSpec } from "../vmm.ts";

/** What of the spec names files, with the names that QEMU is told, and what it is handed. */
export interface ReachableFiles {
  readonly spec: VmSpec;
  /** The private writable layer. */
  readonly overlay: string;
  readonly handed: readonly HandedFile[];
  /** Descriptors that QEMU takes into sets of its own, of the same number. */
  readonly sets: readonly number[];
  /** The kernel's vsock device, where QEMU has it. */
  readonly vhostVsock?: number;
}

/** Every file by its path. */
export function byPath(spec: VmSpec, overlay: string): ReachableFiles {
  return { spec, overlay, handed: [], sets: [] };
}

/**
 * Every file by a descriptor. Disks are taken from sets (`/dev/fdset/N`), which need no rights. What QEMU opens by itself,
 * it opens anew through /proc, which needs the right to the file and to no directory above it.
 */
export function byDescriptor(spec: VmSpec, overlay: string): ReachableFiles {
  const handed: HandedFile[] = [];
  const sets: number[] = [];
  const hand = (path: string, access: HandedFile["access"]): number => {
    handed.push({ path, access });
    return firstHandedDescriptor + handed.length - 1;
  };
  const disk = (path: string, access: HandedFile["access"]): string => {
    const descriptor = hand(path, access);
    sets.push(descriptor);
    return `/dev/fdset/${descriptor}`;
  };
  const opened = (path: string, access: HandedFile["access"]): string =>
    `/proc/self/fd/${hand(path, access)}`;
  const { image, origin, ninepDirectories, vsockDevice } = spec;
  const reachable: VmSpec = {
    ...spec,
    image: {
      ...image,
      rootfs: disk(image.rootfs, "read"),
      kernel: opened(image.kernel, "read"),
      ...(image.withoutInitrd === true ? {} : { initrd: opened(image.initrd, "read") }),
    },
    ...(origin === undefined ? {} : { origin: originOf(origin, disk, opened) }),
    // QEMU needs the right to a directory that it serves, and to none above it.
    ...(ninepDirectories === undefined
      ? {}
      : { ninepDirectories: ninepDirectories.map((each) => ({ ...each, path: opened(each.path, "read") })) }),
    ...(vsockDevice?.kind === "vhost-user-vsock"
      ? { vsockDevice: { ...vsockDevice, daemon: opened(vsockDevice.daemon, "read") } }
      : {}),
  };
  const vhost =
    vsockDevice?.kind === "vhost-vsock" ? { vhostVsock: hand(vhostVsockDevice, "update") } : undefined;
  return { spec: reachable, overlay: disk(overlay, "update"), handed, sets, ...vhost };
}

type Name = (path: string, access: HandedFile["access"]) => string;

function originOf(
  origin: NonNullable<VmSpec["origin"]>,
  disk: Name,
  opened: Name,
): NonNullable<VmSpec["origin"]> {
  switch (origin.kind) {
    case "boot":
      return origin;
    case "boot-to-save":
      return { ...origin, memory: opened(origin.memory, "update") };
    case "restore": {
      const { memory, disk: layer, state } = origin.saved;
      // QEMU opens the memory for writing, and keeps what it writes to itself.
      return {
        ...origin,
        saved: { memory: opened(memory, "read"), disk: disk(layer, "read"), state },
      };
    }
    default:
      return origin satisfies never;
  }
}
