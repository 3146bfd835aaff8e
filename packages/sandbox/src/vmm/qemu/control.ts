// What a QEMU under a keeper is asked by any process, over its control socket.

import { join } from "node:path";
import { acquireFileLock, type Platform } from "@kelpie/platform";
import { asObject } from "../../qmp/messages.ts";
import { QmpClient } from "../../qmp/qmp-client.ts";
import type { MachineControl } from "../keeper/kept-machine.ts";
import { connectEndpoint, readEndpoint } from "../vsock/vsock-endpoint.ts";
import { agentSocket, sockets } from "./sockets.ts";

const controlWithinMs = 10_000;

type Parts = Pick<Platform, "clock" | "files" | "host" | "network" | "processes" | "random">;

/** Of the machine of `directory`. */
export function qemuControl(platform: Parts, directory: string): MachineControl {
  const ask = <T>(use: (qmp: QmpClient) => Promise<T>): Promise<T> => withControl(platform, directory, use);
  return {
    async pause() {
      await ask((qmp) => qmp.execute("stop"));
    },
    async resume() {
      await ask((qmp) => qmp.execute("cont"));
    },
    async status() {
      const state = asObject(await ask((qmp) => qmp.execute("query-status")))?.["status"];
      if (state === "running") return { kind: "running" };
      if (state === "paused") return { kind: "paused" };
      return { kind: "stuck", state: typeof state === "string" ? state : "unknown" };
    },
    async connectAgent(index, signal) {
      const endpoint = await readEndpoint(platform, directory);
      if (endpoint !== undefined) return await connectEndpoint(platform, endpoint, signal);
      return await platform.network.connectUnix(agentSocket(directory, index), signal);
    },
  };
}

/** Uses the control channel for a moment. It has one user at a time, so others wait. */
async function withControl<T>(
  platform: Parts,
  directory: string,
  use: (qmp: QmpClient) => Promise<T>,
): Promise<T> {
  const { clock, network } = platform;
  using deadline = clock.deadline(controlWithinMs, "QEMU's answer");
  const { signal } = deadline;
  // Not beside the socket: that directory is QEMU's.
  await using _lock = await acquireFileLock(platform, join(directory, "control.lock"), {
    purpose: "controlling a virtual machine",
    timeoutMs: controlWithinMs,
    signal,
  });
  const stream = await network.connectUnix(join(directory, sockets.control), signal);
  using qmp = await QmpClient.open(stream, { clock, onEvent: () => undefined, signal });
  return await use(qmp);
}
