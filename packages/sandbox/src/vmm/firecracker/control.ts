// What a Firecracker under a keeper is asked by any process, over its API's socket.

import { join } from "node:path";
import type { Platform } from "@kelpie/platform";
import type { MachineControl } from "../keeper/kept-machine.ts";
import { agentVsockPort, connectVsock } from "../vsock/vsock-connect.ts";
import { type ApiCall, FirecrackerApi } from "./api-client.ts";
import { describeCall, firecrackerFiles, stateCall } from "./calls.ts";

/** Of the machine of `directory`. */
export function firecrackerControl(
  platform: Pick<Platform, "clock" | "files" | "network" | "processes">,
  directory: string,
): MachineControl {
  const api = new FirecrackerApi(platform, join(directory, firecrackerFiles.api));
  const ask = (call: ApiCall): Promise<unknown> => api.call(call, new AbortController().signal);
  return {
    async pause() {
      await ask(stateCall("Paused"));
    },
    async resume() {
      await ask(stateCall("Resumed"));
    },
    async status() {
      const answer = await ask(describeCall);
      const isObject = typeof answer === "object" && answer !== null && "state" in answer;
      const state = isObject ? answer.state : undefined;
      if (state === "Running") return { kind: "running" };
      if (state === "Paused") return { kind: "paused" };
      return { kind: "stuck", state: typeof state === "string" ? state : "unknown" };
    },
    connectAgent: (_, signal) =>
      connectVsock(platform, join(directory, firecrackerFiles.vsock), agentVsockPort, signal),
  };
}
