// QEMU as a virtual machine monitor.

import type { Duplex } from "node:stream";
import { type Architecture, KelpieError, type Platform } from "@kelpie/platform";
import { type AcceleratorChoice, chooseAccelerator } from "../probe/choose-accelerator.ts";
import { launchKeeper } from "../keeper/keeper.ts";
import { requireShortPath } from "../socket-path.ts";
import { type Command, tieToParent, tieToUs } from "../tied-command.ts";
import { requireCapabilities } from "../require-capabilities.ts";
import { rootDiskBytes } from "../root-disk-size.ts";
import type { VirtualMachine, Vmm, VmSpec } from "../vmm.ts";
import { withVsockDaemon } from "../vsock/daemon-command.ts";
import { randomGuestCid, writeEndpoint } from "../vsock/vsock-endpoint.ts";
import type { Accelerator } from "./accelerator.ts";
import { anyGuestCid, daemonSockets, vsockEndpoint } from "./agent-carrier.ts";
import { qemuOptions, type QemuSetting } from "./arguments.ts";
import { qemuCapabilities } from "./capabilities.ts";
import { findQemu, type QemuInstallation } from "./find-qemu.ts";
import { keptMonitorProcess, type MonitorProcess, ownMonitorProcess } from "./monitor-process.ts";
import { byDescriptor, byPath, type ReachableFiles } from "./handed-files.ts";
import { giveTo, prepareFor } from "./hand-over.ts";
import { type QemuIdentity, qemuIdentity } from "./identity.ts";
import { flatten } from "./option.ts";
import { processorIdentity } from "./processor-identity.ts";
import { QemuMachine } from "./qemu-machine.ts";
import { emptyQcow2 } from "./qcow2.ts";
import { agentSocket, sockets } from "./sockets.ts";

/** Starts machines with an installed QEMU. */
export class QemuVmm implements Vmm {
  readonly name = "qemu";
  readonly capabilities = qemuCapabilities;
  readonly description: string;
  readonly accelerator: Accelerator;
  /** One line for the person, once, when the guest is emulated although this host might have done better. */
  readonly notice: string | undefined;
  readonly #platform: Platform;
  readonly #installation: QemuInstallation;

  constructor(platform: Platform, installation: QemuInstallation, choice: AcceleratorChoice) {
    this.#platform = platform;
    this.#installation = installation;
    this.accelerator = choice.accelerator;
    this.notice = choice.isNews ? choice.fallback : undefined;
    this.description = `${installation.program} (${choice.accelerator})`;
  }

  async start(spec: VmSpec, signal: AbortSignal, onLaunched?: () => void): Promise<VirtualMachine> {
    const { network } = this.#platform;
    const { runDirectory } = spec;
    requireCapabilities(this, { ...spec, architecture: spec.image.architecture });
    requireVsock(spec);
    const overlay = spec.origin?.kind === "boot-to-save" ? spec.origin.disk : `${runDirectory}/root.qcow2`;
    requireShortPath(agentSocket(runDirectory, spec.agentPorts));
    await this.#writeOverlay(spec, overlay);
    const identity = await qemuIdentity(this.#platform, spec, this.accelerator);
    await prepareFor(this.#platform.files, identity, spec);
    const qmpSocket = `${runDirectory}/${sockets.qmp}`;

    await using cleanup = new AsyncDisposableStack();
    const connection = Promise.withResolvers<Duplex>();
    const listener = await network.listenUnix(qmpSocket, connection.resolve);
    // The listener is gone only when its connection is, so nothing waits for this.
    cleanup.defer(() => void listener[Symbol.asyncDispose]());
    await giveTo(this.#platform.files, identity, qmpSocket);
    const guestCid = randomGuestCid(this.#platform);
    const vsock = vsockEndpoint(spec, guestCid);
    if (vsock !== undefined && spec.keep !== undefined) {
      await writeEndpoint(this.#platform, runDirectory, vsock);
    }
    const monitor = await this.#startProcess(spec, overlay, identity, guestCid);
    onLaunched?.();
    const machine = new QemuMachine(this.#platform, monitor, { ...spec, identity, vsock });
    try {
      const restored = spec.origin?.kind === "restore" ? spec.origin.saved.state : undefined;
      await machine.openMonitor(connection.promise, signal, restored);
      return machine;
    } catch (error) {
      await machine[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The program, and its whole command line with names for what differs from one machine to the next. */
  async stateKey(spec: VmSpec): Promise<string> {
    // A keeper is beside the machine, not in it.
    const { keep: _keep, ...machine } = spec;
    const shape: VmSpec = {
      ...machine,
      // Whatever else an image says of how it boots stays.
      image: { ...spec.image, rootfs: "rootfs", kernel: "kernel", initrd: "initrd" },
      hostname: "template",
      runDirectory: "run",
      // What 9p offers is plugged in after the restore.
      ninepDirectories: [],
      origin: { kind: "boot-to-save", memory: "memory", disk: "disk" },
    };
    return JSON.stringify({
      program: this.#installation.buildId,
      processor: await processorIdentity(this.#platform.files, this.accelerator),
      diskBytes: await rootDiskBytes(this.#platform.files, spec),
      options: qemuOptions(shape, this.#setting(byPath(shape, "disk"), anyGuestCid)),
    });
  }

  /** QEMU as a child that ends with us, or under a keeper. */
  async #startProcess(
    spec: VmSpec,
    overlay: string,
    identity: QemuIdentity,
    guestCid: number,
  ): Promise<MonitorProcess> {
    const { processes } = this.#platform;
    const { runDirectory, keep } = spec;
    const reached = (identity.kind === "unprivileged" ? byDescriptor : byPath)(spec, overlay);
    const { handed } = reached;
    const options = qemuOptions(reached.spec, this.#setting(reached, guestCid));
    const qemu = await this.#withDaemon(reached.spec, {
      program: this.#installation.program,
      args: flatten(options),
    });
    const rights = identity.kind === "unprivileged" ? { as: identity } : { withoutPower: true };
    if (keep !== undefined) {
      const tied = await tieToParent(this.#platform, qemu, rights);
      const keeperPid = await launchKeeper(this.#platform, tied, keep, { cwd: runDirectory, handed });
      return await keptMonitorProcess(this.#platform, keeperPid, runDirectory);
    }
    const command = await tieToUs(this.#platform, qemu, rights);
    const child = await processes.spawn(command.program, command.args, {
      cwd: runDirectory,
      handed,
      stdin: command.needsStdinPipe ? "pipe" : "ignore",
      // A Ctrl-C at the terminal is for us: we end the machine in order.
      ownGroup: true,
    });
    return ownMonitorProcess(this.#platform, child, runDirectory);
  }

  /** What serves the guest's vsock starts with QEMU and ends with it. */
  async #withDaemon(spec: VmSpec, qemu: Command): Promise<Command> {
    const { vsockDevice } = spec;
    if (vsockDevice?.kind !== "vhost-user-vsock") return qemu;
    return await withVsockDaemon(this.#platform, qemu, vsockDevice.daemon, daemonSockets);
  }

  #setting({ spec, overlay, sets, vhostVsock }: ReachableFiles, guestCid: number): QemuSetting {
    return {
      accelerator: this.accelerator,
      firmware: this.#installation.quickFirmware,
      overlay,
      isKept: spec.keep !== undefined,
      descriptorSets: sets,
      seccomp: this.#platform.host.operatingSystem === "linux",
      guestCid,
      ...(vhostVsock === undefined ? {} : { vhostVsock }),
    };
  }

  async #writeOverlay(spec: VmSpec, path: string): Promise<void> {
    const content = emptyQcow2(await rootDiskBytes(this.#platform.files, spec));
    await using file = await this.#platform.files.open(path, "replace", 0o600);
    await file.write(content, 0);
  }
}

/** What to open QEMU for. */
export interface OpenQemuOptions {
  readonly architecture: Architecture;
  /** KELPIE_HOME: what was found out about this host is kept there. */
  readonly home: string;
  readonly signal: AbortSignal;
  /** Found out by a probe when absent. */
  readonly accelerator?: Accelerator;
}

/** Finds QEMU for guests of an architecture and the best accelerator that works. `missing-tool`. */
export async function openQemu(platform: Platform, options: OpenQemuOptions): Promise<QemuVmm> {
  const { architecture, home, signal, accelerator } = options;
  const installation = await findQemu(platform, architecture);
  const choice =
    accelerator === undefined
      ? await chooseAccelerator(platform, home, architecture, installation, signal)
      : { accelerator, fallback: undefined, isNews: false };
  return new QemuVmm(platform, installation, choice);
}

/** Refuses what a vsock of QEMU's cannot: `unsupported`. */
function requireVsock({ carrier, vsockDevice, origin }: VmSpec): void {
  if (carrier === "vsock" && vsockDevice === undefined) {
    throw new KelpieError(
      "unsupported",
      "The monitor qemu cannot reach the agent by vsock without a device",
      {
        expected: "the kernel's or a daemon's",
      },
    );
  }
  if (vsockDevice?.kind === "vhost-user-vsock" && origin !== undefined && origin.kind !== "boot") {
    throw new KelpieError("unsupported", "The monitor qemu cannot save or restore a vsock daemon's guest", {
      help: "Boot it: --cold",
    });
  }
}
