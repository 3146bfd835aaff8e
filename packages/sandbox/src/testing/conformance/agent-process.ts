// The agent as a process of this machine.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";

/** A running agent; disposing it kills it. */
export interface AgentProcess extends AsyncDisposable {
  readonly socket: string;
}

/** Starts an agent with its socket in `directory`; resolves once it serves. */
export async function startAgentProcess(program: string, directory: string): Promise<AgentProcess> {
  const socket = join(directory, "agent");
  const agent = spawn(program, ["--unix", socket], { stdio: ["ignore", "inherit", "pipe"] });
  // Its first line says that it serves.
  await once(agent.stderr, "data");
  return {
    socket,
    async [Symbol.asyncDispose]() {
      const ended = once(agent, "exit");
      if (agent.exitCode !== null || agent.signalCode !== null) return;
      agent.kill("SIGKILL");
      await ended;
    },
  };
}
