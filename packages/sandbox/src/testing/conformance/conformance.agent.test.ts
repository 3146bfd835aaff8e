// The agent as a process of this machine, over its Unix socket: `KELPIE_AGENT` says which program it is.

import assert from "node:assert/strict";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { AgentClient } from "../../agent/agent-client.ts";
import { startAgentProcess } from "./agent-process.ts";
import { checkLeavesNothing } from "./leaves-nothing.ts";
import { type Subject, subject } from "./subject.ts";
import { describeAgent } from "./suite.ts";

const program = process.env["KELPIE_AGENT"];
const connections = 30;
const manyProcesses = 500;
const skip = program === undefined ? "KELPIE_AGENT names no agent; `npm test -- guest` does" : false;

async function start(): Promise<Subject> {
  const directory = await realPlatform.files.temporaryDirectory("kelpie-agent-");
  const agent = await startAgentProcess(program ?? "", directory.path);
  const places = Array.from({ length: connections }, (_, index) => index);
  const open = (_: number, signal: AbortSignal) => realPlatform.network.connectUnix(agent.socket, signal);
  const end = async (): Promise<void> => {
    await agent[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  };
  return subject(places, open, end, { slowAfterMs: 500 });
}

describeAgent("as a process of this machine", start, { skip, isComplete: true, atOnce: 12 });

test(`${manyProcesses} processes leave nothing in the agent`, { skip, timeout: 60_000 }, async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-agent-");
  await using agent = await startAgentProcess(program ?? "", directory.path);
  const open = (signal: AbortSignal) => realPlatform.network.connectUnix(agent.socket, signal);
  await using client = new AgentClient({ ...realPlatform, open });
  const [, after] = await checkLeavesNothing(client, manyProcesses);
  assert.ok(after.residentBytes < 16 << 20, `${after.residentBytes} bytes are resident`);
});
