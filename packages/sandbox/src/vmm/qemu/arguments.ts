// QEMU's command line for a machine, as data: one option and its value a line.

import type { Accelerator } from "./accelerator.ts";
import { cpuModel, machineType } from "./machine.ts";
import { carrierOptions } from "./agent-carrier.ts";
import { escaped, type QemuOption } from "./option.ts";
import { ninepOptions, slotOptions } from "./plug.ts";
import { kernelCommandLine } from "../kernel-command-line.ts";
import { sockets } from "./sockets.ts";
import type { VmSpec } from "../vmm.ts";

/** What beside the spec decides the command line. */
export interface QemuSetting {
  readonly accelerator: Accelerator;
  /** A firmware image instead of QEMU's default, by path or by a name that QEMU finds. */
  readonly firmware: string | undefined;
  /** The private writable layer, a qcow2 file. */
  readonly overlay: string;
  /** Whether it runs under a keeper: it then listens on a socket for whoever wants to control it later. */
  readonly isKept: boolean;
  /** Descriptors that become sets of the same number, from which disks are opened. */
  readonly descriptorSets: readonly number[];
  /** Whether this QEMU can confine itself with seccomp. */
  readonly seccomp: boolean;
  /** The guest's vsock address, where it has one of this host's. */
  readonly guestCid: number;
  /** A descriptor of the kernel's vsock device, where it is handed. */
  readonly vhostVsock?: number;
}

/** The options of a machine, in the order in which they are given. */
export function qemuOptions(spec: VmSpec, setting: QemuSetting): QemuOption[] {
  const { image, memoryMiB, cpus } = spec;
  const { architecture } = image;
  return [
    ["-name", spec.hostname],
    // Nothing but what is named here: no configuration of the person's or the system's, no network, no display.
    ["-nodefaults"],
    ["-no-user-config"],
    ["-display", "none"],
    // A guest that resets itself, as it does after a panic, ends the machine.
    ["-no-reboot"],
    // The processor starts when we have a control channel.
    ["-S"],
    ...(setting.seccomp ? [confinement] : []),
    [
      "-machine",
      [machineType[architecture], memoryLock, ...(isPlain(spec) ? [] : ["memory-backend=ram"])].join(","),
    ],
    ["-accel", setting.accelerator === "tcg" ? tcg : setting.accelerator],
    ["-cpu", cpuModel(architecture, setting.accelerator)],
    ["-smp", String(cpus)],
    ["-m", `${memoryMiB}M`],
    ...memory(spec),
    ...(setting.firmware === undefined ? [] : [["-bios", setting.firmware] as const]),
    ["-kernel", image.kernel],
    ...(image.withoutInitrd === true ? [] : [["-initrd", image.initrd] as const]),
    ["-append", commandLine(spec, setting)],
    ["-chardev", `socket,id=qmp,path=${sockets.qmp},server=off`],
    ["-mon", "chardev=qmp,mode=control"],
    ...(setting.isKept ? keptStreams : tiedStreams),
    ...setting.descriptorSets.map((number) => ["-add-fd", `fd=${number},set=${number}`] as const),
    ["-serial", "chardev:console"],
    ["-blockdev", json(rootDisk(spec, setting.overlay))],
    ["-device", "virtio-blk-pci,drive=root"],
    ["-object", "rng-random,id=entropy,filename=/dev/urandom"],
    ["-device", "virtio-rng-pci,rng=entropy"],
    ...carrierOptions(spec, setting.guestCid, setting.vhostVsock),
    ...slotOptions(spec.plugSlots ?? 0),
    ...ninepOptions(spec.ninepDirectories ?? []),
  ];
}

/** The console comes to us through a pipe: we bound what is kept, and have its last words when QEMU is gone. */
const tiedStreams: readonly QemuOption[] = [["-chardev", "stdio,id=console,signal=off"]];

/** The keeper's pipes: QEMU's events on the standard streams, the console on descriptor 3. */
const keptStreams: readonly QemuOption[] = [
  ["-chardev", "stdio,id=events,signal=off"],
  ["-mon", "chardev=events,mode=control"],
  ["-add-fd", "fd=3,set=1"],
  // Opened to append, because a pipe cannot be emptied first.
  ["-chardev", "file,id=console,path=/dev/fdset/1,append=on"],
  ["-chardev", `socket,id=control,path=${sockets.control},server=on,wait=off`],
  ["-mon", "chardev=control,mode=control"],
];

/** No new programs, no other user, nothing that QEMU needs only for features that we do not use. */
const confinement: QemuOption = [
  "-sandbox",
  "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
];

// A guest's memory is in no core dump, and is not merged with another's, which would let one time what the other has.
const memoryLock = "dump-guest-core=off,mem-merge=off";

// One thread per processor; translated code may take 128 MiB rather than QEMU's default of 1 GiB.
const tcg = "tcg,thread=multi,tb-size=128";

/** Whether the guest's memory is nobody's but the monitor's: where nothing is saved or restored or shared with a daemon. */
function isPlain(spec: VmSpec): boolean {
  return (spec.origin === undefined || spec.origin.kind === "boot") && !isShared(spec);
}

/** Whether daemons beside QEMU must see the guest's memory. */
function isShared({ sharedMemory, vsockDevice }: VmSpec): boolean {
  return sharedMemory === true || vsockDevice?.kind === "vhost-user-vsock";
}

/**
 * A machine that is to be saved has its memory in the file itself; one that is restored sees the file and keeps what it
 * writes to itself (copy on write), so nothing of the memory is read before it is used.
 */
function memory(spec: VmSpec): QemuOption[] {
  const { origin, memoryMiB } = spec;
  if (origin === undefined || origin.kind === "boot") {
    const shared = `memory-backend-memfd,id=ram,size=${memoryMiB}M,share=on`;
    return isShared(spec) ? [["-object", shared]] : [];
  }
  const isSaving = origin.kind === "boot-to-save";
  const path = escaped(isSaving ? origin.memory : origin.saved.memory);
  const share = isSaving ? "on" : "off";
  return [
    ["-object", `memory-backend-file,id=ram,size=${memoryMiB}M,mem-path=${path},share=${share}`],
    ...(isSaving ? [] : [["-incoming", "defer"] as const]),
  ];
}

/** The image itself is opened read only and can be shared; what the guest writes goes to the overlay. */
function rootDisk({ image, origin }: VmSpec, overlay: string): Record<string, unknown> {
  const rootfs = { driver: "raw", "read-only": true, file: readOnlyFile(image.rootfs) };
  return {
    driver: "qcow2",
    "node-name": "root",
    // The overlay goes with its machine, so a flush of the guest's need not wait for the host's disk.
    cache: { "no-flush": true },
    discard: "unmap",
    file: { driver: "file", filename: overlay },
    backing:
      origin?.kind === "restore"
        ? { driver: "qcow2", "read-only": true, file: readOnlyFile(origin.saved.disk), backing: rootfs }
        : rootfs,
  };
}

function readOnlyFile(filename: string): Record<string, unknown> {
  return { driver: "file", filename, "read-only": true };
}

function json(value: Record<string, unknown>): string {
  return JSON.stringify(value);
}

function commandLine(spec: VmSpec, { accelerator }: QemuSetting): string {
  const { image, hostname, agentPorts: ports, carrier } = spec;
  const options = {
    architecture: image.architecture,
    accelerator,
    hostname,
    agentPorts: carrier === "vsock" ? 0 : ports,
    withoutInitrd: image.withoutInitrd === true,
  };
  return kernelCommandLine(options).join(" ");
}
