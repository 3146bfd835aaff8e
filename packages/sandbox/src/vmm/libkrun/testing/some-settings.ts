// The settings of a machine that tests change.

import type { KrunSettings } from "../settings.ts";

/** Nothing of it exists. */
export const someSettings: KrunSettings = {
  library: "libkrun.so.1",
  cpus: 2,
  memoryMiB: 512,
  kernel: { path: "/k/vmlinux", format: "elf" },
  initrd: "/k/initrd",
  commandLine: "console=ttyS0",
  disks: [{ name: "root", path: "/run/root.qcow2", format: "qcow2", readOnly: false }],
  directories: [],
  vsock: { port: 5123, socket: "/run/agent" },
};
