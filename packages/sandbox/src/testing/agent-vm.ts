// A booted guest for tests of its agent: one machine for a whole file, a client for each of its ports.

import type { Duplex } from "node:stream";
import { type Platform, realPlatform, type TemporaryDirectory } from "@kelpie/platform";
import { AgentClient } from "../agent/agent-client.ts";
import { openQemu } from "../vmm/qemu/qemu-vmm.ts";
import type { BootImage, VirtualMachine, VmSpec } from "../vmm/vmm.ts";

const bootWithinMs = 120_000;

/** A guest that answers. */
export interface AgentVm extends AsyncDisposable {
  readonly machine: VirtualMachine;
  /** A new client of a port, by its number. A port has one user at a time; the caller disposes it. */
  readonly connect: (port: number) => AgentClient;
  /** Opens a port's bytes. */
  readonly open: (port: number, signal: AbortSignal) => Promise<Duplex>;
}

/** How a guest is booted beyond its image. */
export interface AgentVmOptions {
  readonly platform?: Platform;
  /** Has its agent reached by vsock, with this program as the daemon behind the device; else by virtio-serial. */
  readonly vsockDaemon?: string;
  /** Default one processor. */
  readonly cpus?: number;
}

/** Boots `image` with so many agent ports. */
export async function bootAgentVm(
  image: BootImage,
  agentPorts: number,
  { platform = realPlatform, vsockDaemon, cpus = 1 }: AgentVmOptions = {},
): Promise<AgentVm> {
  await using resources = new AsyncDisposableStack();
  const home: TemporaryDirectory = resources.use(await platform.files.temporaryDirectory("kelpie-agent-"));
  const signal = AbortSignal.timeout(bootWithinMs);
  const vmm = await openQemu(platform, { architecture: image.architecture, home: home.path, signal });
  const runDirectory = `${home.path}/run`;
  await platform.files.makeDirectory(runDirectory, 0o700);
  const spec: VmSpec = {
    ...{ image, memoryMiB: 256, cpus, agentPorts, hostname: "kelpie", runDirectory },
    ...(vsockDaemon === undefined ? {} : overVsock(vsockDaemon)),
  };
  const machine = resources.use(await vmm.start(spec, signal));
  const open = (port: number, wanted: AbortSignal): Promise<Duplex> => machine.connectAgent(port, wanted);
  const connect = (port: number): AgentClient =>
    new AgentClient({ ...platform, open: (wanted) => open(port, wanted) });
  {
    await using first = connect(0);
    await first.waitUntilReady(signal);
  }
  const kept = resources.move();
  return { machine, connect, open, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** What a machine is asked for whose agent is reached through a vsock daemon. */
function overVsock(daemon: string): Pick<VmSpec, "carrier" | "vsockDevice"> {
  return { carrier: "vsock", vsockDevice: { kind: "vhost-user-vsock", daemon } };
}
