// The agent as a process of this machine, over its Unix socket: `KELPIE_AGENT` says which program it is.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { realPlatform } from "@kelpie/platform";
import { describeAgent } from "./suite.ts";
import { type Subject, subject } from "./subject.ts";

const program = process.env["KELPIE_AGENT"];
const connections = 16;

async function start(): Promise<Subject> {
  const directory = await realPlatform.files.temporaryDirectory("kelpie-agent-");
  const socket = `${directory.path}/agent`;
  const agent: ChildProcess = spawn(program ?? "", ["--unix", socket], {
    stdio: ["ignore", "inherit", "pipe"],
  });
  // Its first line says that it serves.
  await once(agent.stderr ?? agent, "data");
  const places = Array.from({ length: connections }, (_, index) => index);
  const open = (_: number, signal: AbortSignal) => realPlatform.network.connectUnix(socket, signal);
  return subject(places, open, async () => {
    const ended = once(agent, "exit");
    agent.kill("SIGKILL");
    await ended;
    await directory[Symbol.asyncDispose]();
  });
}

const skip = program === undefined ? "KELPIE_AGENT names no agent; `npm test -- guest` does" : false;
describeAgent("as a process of this machine", start, skip);
