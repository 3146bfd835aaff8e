// Firecracker as a virtual machine monitor (its API description of version 1.12 to 1.17; see docs/backends.md).

import { join } from "node:path";
import { KelpieError, type Platform } from "@kelpie/platform";
import type { VmmCapabilities } from "../capabilities.ts";
import { directKernel } from "../direct-kernel.ts";
import { launchKeeper } from "../keeper/keeper.ts";
import { processorIdentity } from "../qemu/processor-identity.ts";
import { keptMonitorProcess, type MonitorProcess, ownMonitorProcess } from "../qemu/monitor-process.ts";
import { requireCapabilities } from "../require-capabilities.ts";
import { rootDiskBytes } from "../root-disk-size.ts";
import { requireShortPath } from "../socket-path.ts";
import { type Command, tieToParent, tieToUs } from "../tied-command.ts";
import type { VirtualMachine, Vmm, VmSpec } from "../vmm.ts";
import type { ApiCall } from "./api-client.ts";
import { bootCalls, firecrackerFiles, restoreCall } from "./calls.ts";
import { firecrackerCapabilities } from "./capabilities.ts";
import type { FirecrackerInstallation } from "./find-firecracker.ts";
import { FirecrackerMachine } from "./firecracker-machine.ts";
import { pipeNames, withPipes } from "./output-pipes.ts";
import { copyDisk } from "./root-disk.ts";

const maxProcessors = 32;

/** What a {@link FirecrackerVmm} is made of. */
export interface FirecrackerSetting {
  readonly installation: FirecrackerInstallation;
  /** KELPIE_HOME: kernels are kept there in the form that Firecracker wants. */
  readonly home: string;
  readonly capabilities: VmmCapabilities;
}

/** Starts machines with an installed Firecracker. */
class FirecrackerVmm implements Vmm {
  readonly name = "firecracker";
  readonly capabilities: VmmCapabilities;
  readonly description: string;
  readonly #platform: Platform;
  readonly #setting: FirecrackerSetting;

  constructor(platform: Platform, setting: FirecrackerSetting) {
    this.#platform = platform;
    this.#setting = setting;
    this.capabilities = setting.capabilities;
    const { program, version } = setting.installation;
    this.description = `${program} ${version} (kvm)`;
  }

  async start(spec: VmSpec, signal: AbortSignal): Promise<VirtualMachine> {
    requireCapabilities(this, { ...spec, architecture: spec.image.architecture });
    requireProcessors(spec.cpus);
    const { runDirectory } = spec;
    requireShortPath(join(runDirectory, firecrackerFiles.vsock));
    try {
      return await this.#start(spec, signal);
    } catch (error) {
      // Another start may be tried in the same directory: a boot where nothing could be restored.
      for (const file of [...Object.values(firecrackerFiles), ...pipeNames]) {
        await this.#platform.files.remove(join(runDirectory, file));
      }
      throw error;
    }
  }

  async #start(spec: VmSpec, signal: AbortSignal): Promise<VirtualMachine> {
    const calls = await this.#prepare(spec, signal);
    const process = await this.#startProcess(spec);
    const machine = new FirecrackerMachine(this.#platform, process, spec);
    try {
      await machine.open(calls, signal);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Firecracker's build, the host's processor, and every call with names for what differs between machines. */
  async stateKey(spec: VmSpec): Promise<string> {
    const image = { ...spec.image, rootfs: "rootfs", kernel: "kernel", initrd: "initrd" };
    const shape: VmSpec = { ...spec, image, hostname: "template", runDirectory: "run" };
    return JSON.stringify({
      monitor: this.#setting.installation.buildId,
      processor: await processorIdentity(this.#platform.files, "kvm"),
      diskBytes: await rootDiskBytes(this.#platform.files, spec),
      calls: bootCalls(shape, "kernel"),
    });
  }

  /** Puts the files in their place, and says what is to be asked of the API. */
  async #prepare(spec: VmSpec, signal: AbortSignal): Promise<readonly ApiCall[]> {
    const { files } = this.#platform;
    const { image, runDirectory, origin } = spec;
    const disk = join(runDirectory, firecrackerFiles.disk);
    if (origin?.kind === "restore") {
      const { disk: saved, state, memory } = origin.saved;
      const status = await files.stat(saved);
      if (status === undefined) throw new KelpieError("not-found", `There is no ${saved}`);
      await copyDisk(this.#platform, saved, disk, status.sizeBytes, signal);
      return [restoreCall(state, memory)];
    }
    const own = origin?.kind === "boot-to-save" ? origin.disk : disk;
    const kernels = join(this.#setting.home, "cache", "vmlinux");
    const kernel = await directKernel(this.#platform, image, kernels);
    await copyDisk(
      this.#platform,
      image.rootfs,
      own,
      await rootDiskBytes(this.#platform.files, spec),
      signal,
    );
    // The saved machine names its disk as every machine does.
    if (own !== disk) await files.hardLink(own, disk);
    return bootCalls(spec, kernel.path);
  }

  /** Firecracker as a child that ends with us, or under a keeper. Its standard output is the guest's console. */
  async #startProcess({ runDirectory, keep }: VmSpec): Promise<MonitorProcess> {
    const { processes } = this.#platform;
    const { program } = this.#setting.installation;
    // Its log would go where the console goes. What it refuses the API tells; that KVM gave up, the log alone.
    const log = ["--level", "Error", "--log-path", "/proc/self/fd/2"];
    const command: Command = { program, args: ["--api-sock", firecrackerFiles.api, ...log] };
    if (keep !== undefined) {
      // The keeper takes the console from descriptor 3, which is a pipe, and has nothing to say to its input.
      const console = 'exec "$@" >&3 3>&- </dev/null';
      const inShell = { program: "/bin/sh", args: ["-c", console, "sh", program, ...command.args] };
      const tied = await tieToParent(this.#platform, inShell, { withoutPower: true });
      const keeperPid = await launchKeeper(this.#platform, tied, keep, { cwd: runDirectory });
      return await keptMonitorProcess(this.#platform, keeperPid, runDirectory);
    }
    const tied = await tieToUs(this.#platform, withPipes(command), { withoutPower: true });
    const child = await processes.spawn(tied.program, tied.args, {
      cwd: runDirectory,
      stdin: tied.needsStdinPipe ? "pipe" : "ignore",
      // A Ctrl-C at the terminal is for us: we end the machine in order.
      ownGroup: true,
    });
    return ownMonitorProcess(this.#platform, child, runDirectory);
  }
}

/** A Firecracker for guests of this host's architecture. */
export function firecrackerVmm(
  platform: Platform,
  installation: FirecrackerInstallation,
  home: string,
): FirecrackerVmm {
  const { architecture } = platform.host;
  if (architecture === undefined) {
    throw new KelpieError("unsupported", "Firecracker runs on amd64 and arm64 alone");
  }
  return new FirecrackerVmm(platform, {
    installation,
    home,
    capabilities: firecrackerCapabilities(architecture),
  });
}

function requireProcessors(cpus: number): void {
  if (cpus <= maxProcessors) return;
  throw new KelpieError("invalid-input", "Firecracker's machines have fewer processors", {
    expected: `at most ${maxProcessors}`,
    found: `${cpus}`,
  });
}
