// The calls that make a machine, in their order. Nothing here loads libkrun.

import type { KrunSettings } from "./settings.ts";
import { krun, type KrunCall, type KrunFunction, signatures } from "./signatures.ts";

/** The machine's serial port has no input, and its output is this process's. */
const noInput = -1;
const standardOutput = 1;
/** No memory window: files are read and written through requests. */
const noDax = 0;

/** Precedes all: what libkrun has to say comes plain through our standard error, and no variable changes that. */
export const logCall: Extract<KrunCall, { name: "krun_init_log" }> = {
  name: "krun_init_log",
  args: [krun.logToStderr, krun.logLevelWarn, krun.logStyleNever, krun.logOptionNoEnvironment],
};

/** What is said to a new context before it starts. */
export function bootPlan(settings: KrunSettings): KrunCall[] {
  const { cpus, memoryMiB, kernel, initrd, commandLine, disks, directories, vsock } = settings;
  return [
    { name: "krun_set_vm_config", args: [cpus, memoryMiB] },
    { name: "krun_set_kernel", args: [kernel.path, krun.kernelFormat[kernel.format], initrd, commandLine] },
    // A console by virtio comes only with its driver: what a kernel says before would be lost.
    { name: "krun_disable_implicit_console", args: [] },
    { name: "krun_add_serial_console_default", args: [noInput, standardOutput] },
    ...disks.map(({ name, path, format, readOnly }): KrunCall => {
      return { name: "krun_add_disk2", args: [name, path, krun.diskFormat[format], readOnly] };
    }),
    ...directories.map(
      ({ tag, path, readOnly }): KrunCall =>
        readOnly
          ? { name: "krun_add_virtiofs3", args: [tag, path, noDax, true] }
          : { name: "krun_add_virtiofs", args: [tag, path] },
    ),
    // The vsock device that comes by itself gives the guest the host's network.
    { name: "krun_disable_implicit_vsock", args: [] },
    { name: "krun_add_vsock", args: [krun.noTsi] },
    { name: "krun_add_vsock_port2", args: [vsock.port, vsock.socket, true] },
  ];
}

/** The functions that a machine of these settings takes. */
export function functionsOf(settings: KrunSettings): ReadonlySet<KrunFunction> {
  const ofPlan = bootPlan(settings).map(({ name }) => name);
  return new Set([...atEveryStart, ...ofPlan]);
}

const atEveryStart: readonly KrunFunction[] = [logCall.name, "krun_create_ctx", "krun_start_enter"];

/** Those that a machine without read-only directories takes. */
export const usualFunctions: ReadonlySet<KrunFunction> = new Set(
  (Object.keys(signatures) as KrunFunction[]).filter((name) => name !== "krun_add_virtiofs3"),
);
