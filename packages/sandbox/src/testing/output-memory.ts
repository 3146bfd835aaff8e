// Much output of one process, and what it costs in memory on both sides: read at full speed, read slowly, and not at all.

import assert from "node:assert/strict";
import type { AgentClient } from "../agent/agent-client.ts";
import type { Execution } from "../agent/execution.ts";
import type { ProcessRequest } from "../agent/process.ts";

/** How a process's output is read. */
export type Reading = "at full speed" | "slowly" | "not at all";
export const readings: readonly Reading[] = ["at full speed", "slowly", "not at all"];

/** What it came to. */
export interface OutputRun {
  readonly seconds: number;
  readonly readBytes: number;
  readonly lostBytes: number;
  /** Of the agent, and of this process. */
  readonly agentGrewBytes: number;
  readonly hostGrewBytes: number;
}

const sampleEveryMs = 200;
const slowEveryBytes = 8 << 20;
const slowPauseMs = 20;

/** Has a process write `sizeBytes` and checks that they are read, or told as lost, to the last. */
export async function runOutput(
  client: AgentClient,
  sizeBytes: number,
  reading: Reading,
): Promise<OutputRun> {
  const agentNow = async (): Promise<number> => Number((await client.agent.getHealth({})).agentResidentBytes);
  // What is made once and kept, as the garbage collector's first generations, is none of the growth: that goes with the size.
  await read(client, sizeBytes / 4, "at full speed");
  const before = { agent: await agentNow(), host: process.memoryUsage.rss() };
  const most = { ...before };
  const over = new AbortController();
  const sampling = (async () => {
    while (!over.signal.aborted) {
      most.agent = Math.max(most.agent, await agentNow());
      most.host = Math.max(most.host, process.memoryUsage.rss());
      await new Promise((resolve) => setTimeout(resolve, sampleEveryMs));
    }
  })();
  const startMs = performance.now();
  const { readBytes, lostBytes } = await read(client, sizeBytes, reading);
  const seconds = (performance.now() - startMs) / 1000;
  over.abort();
  await sampling;
  assert.equal(readBytes + lostBytes, sizeBytes);
  assert.equal(lostBytes > 0, reading === "not at all");
  return {
    ...{ seconds, readBytes, lostBytes },
    agentGrewBytes: most.agent - before.agent,
    hostGrewBytes: most.host - before.host,
  };
}

async function read(
  client: AgentClient,
  sizeBytes: number,
  reading: Reading,
): Promise<{ readBytes: number; lostBytes: number }> {
  const argv = ["head", "-c", `${sizeBytes}`, "/dev/zero"] as const;
  const execution = reading === "not at all" ? await runUnread(client, argv) : client.exec({ argv });
  let [readBytes, lostBytes, pausedAt] = [0, 0, 0];
  for await (const piece of execution) {
    if (piece.kind === "lost") lostBytes += piece.sizeBytes;
    else readBytes += piece.bytes.length;
    if (reading !== "slowly" || readBytes - pausedAt < slowEveryBytes) continue;
    pausedAt = readBytes;
    await new Promise((resolve) => setTimeout(resolve, slowPauseMs));
  }
  return { readBytes, lostBytes };
}

/** Runs a process to its end with nobody there, and comes then. */
async function runUnread(client: AgentClient, argv: ProcessRequest["argv"]): Promise<Execution> {
  const started = await client.start({ argv });
  assert.ok("id" in started, "it starts");
  await client.processes.waitProcess({ id: started.id });
  return client.attach(started.id);
}
