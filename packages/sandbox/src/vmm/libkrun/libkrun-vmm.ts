// libkrun as a virtual machine monitor: each machine is a process of its own that libkrun takes over.

import { join } from "node:path";
import { type ChildProcess, KelpieError, type Platform, writeFileAtomic } from "@kelpie/platform";
import { directKernel } from "../direct-kernel.ts";
import { emptyQcow2 } from "../qemu/qcow2.ts";
import { ownMonitorProcess } from "../qemu/monitor-process.ts";
import { requireCapabilities } from "../require-capabilities.ts";
import { rootDiskBytes } from "../root-disk-size.ts";
import { requireShortPath } from "../socket-path.ts";
import { tieToUs } from "../tied-command.ts";
import type { VmmCapabilities, VmmName } from "../capabilities.ts";
import type { VirtualMachine, Vmm, VmSpec } from "../vmm.ts";
import { libkrunCapabilities } from "./capabilities.ts";
import { readReport } from "./child-report.ts";
import { libkrunEnvironment, type LibkrunInstallation, libkrunProcess } from "./find-libkrun.ts";
import { LibkrunMachine } from "./libkrun-machine.ts";
import { agentSocket, endsByReset, machineSettings } from "./machine-settings.ts";

const entersWithinMs = 30_000;

/** Starts machines with an installed libkrun. */
export class LibkrunVmm implements Vmm {
  readonly name: VmmName = "libkrun";
  readonly capabilities: VmmCapabilities;
  readonly description: string;
  readonly #platform: Platform;
  readonly #installation: LibkrunInstallation;
  /** For kernels that had to be unpacked, and for what Node.js has compiled. */
  readonly #cache: string;

  constructor(platform: Platform, installation: LibkrunInstallation, home: string) {
    this.capabilities = libkrunCapabilities(platform.host);
    this.description = installation.file;
    this.#platform = platform;
    this.#installation = installation;
    this.#cache = join(home, "cache");
  }

  async start(spec: VmSpec, signal: AbortSignal): Promise<VirtualMachine> {
    const { image, runDirectory, sharedDirectories = [] } = spec;
    requireCapabilities(this, { ...spec, architecture: image.architecture });
    requireShortPath(agentSocket(runDirectory));
    // libkrun would only say that an argument is invalid.
    await this.#require(image.withoutInitrd === true ? [] : [image.initrd]);
    await this.#require(sharedDirectories.map(({ path }) => path));
    const settingsFile = await this.#prepare(spec);
    const child = await this.#spawn(settingsFile, runDirectory);
    try {
      await this.#entered(child, signal);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
    return new LibkrunMachine(this.#platform, {
      process: ownMonitorProcess(this.#platform, child, runDirectory),
      group: this.capabilities.pauses ? child.pid : undefined,
      socket: agentSocket(runDirectory),
      endsByReset: endsByReset(spec),
    });
  }

  /** Writes the machine's layer and settings; returns the settings' file. */
  async #prepare(spec: VmSpec): Promise<string> {
    const { files } = this.#platform;
    const { image, runDirectory } = spec;
    const kernel = await directKernel(this.#platform, image, join(this.#cache, "vmlinux"));
    const layer = join(runDirectory, "root.qcow2");
    const rootfs = await files.realPath(image.rootfs);
    {
      await using file = await files.open(layer, "replace", 0o600);
      await file.write(emptyQcow2(await rootDiskBytes(files, spec), rootfs), 0);
    }
    const settings = machineSettings(spec, { library: this.#installation.library, kernel, layer });
    const path = join(runDirectory, "libkrun.json");
    await writeFileAtomic(this.#platform, path, JSON.stringify(settings), 0o600);
    return path;
  }

  async #spawn(settingsFile: string, runDirectory: string): Promise<ChildProcess> {
    const { host, processes } = this.#platform;
    const program = libkrunProcess(this.#platform, [settingsFile]);
    const command = await tieToUs(this.#platform, program, { withoutPower: true });
    return await processes.spawn(command.program, command.args, {
      cwd: runDirectory,
      env: libkrunEnvironment(host, join(this.#cache, "node-compile")),
      stdin: command.needsStdinPipe ? "pipe" : "ignore",
      // A Ctrl-C at the terminal is for us: we end the machine in order.
      ownGroup: true,
    });
  }

  /** Resolves when all was said to libkrun. `boot-failed` or what else stood in the way; the signal's reason. */
  async #entered({ stdout, exit }: ChildProcess, signal: AbortSignal): Promise<void> {
    using deadline = this.#platform.clock.deadline(entersWithinMs, "libkrun's start");
    const stop = AbortSignal.any([signal, deadline.signal]);
    const report = stdout === undefined ? undefined : await readReport(stdout, stop);
    if (report?.kind === "entering") return;
    if (report?.kind === "failed") throw report.error;
    throw new KelpieError("boot-failed", "libkrun did not start", { found: JSON.stringify(await exit) });
  }

  async #require(paths: readonly string[]): Promise<void> {
    for (const path of paths) {
      const status = await this.#platform.files.stat(path);
      if (status === undefined) throw new KelpieError("not-found", `There is no ${path}`);
    }
  }
}
