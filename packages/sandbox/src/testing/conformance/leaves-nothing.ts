// Many processes one after another: what the agent holds afterwards is what it held before.

import assert from "node:assert/strict";
import type { AgentClient } from "../../agent/agent-client.ts";

/** What the agent holds. */
export interface Holdings {
  readonly descriptors: number;
  readonly residentBytes: number;
  /** Of the whole guest. */
  readonly processes: number;
  readonly cgroups: number;
}

/** What the agent holds now. */
export async function holdings(client: AgentClient): Promise<Holdings> {
  // The shell's parent is the agent.
  const script = "ls /proc/$PPID/fd | wc -l; ls /sys/fs/cgroup/kelpie 2>/dev/null | grep -c '^[0-9]'";
  const { stdout } = await client.exec({ argv: ["/bin/sh", "-c", script] }).collect();
  const [descriptors = Number.NaN, cgroups = Number.NaN] = Buffer.from(stdout)
    .toString()
    .split("\n")
    .map(Number);
  const { agentResidentBytes, processesTotal } = await client.agent.getHealth({});
  return { descriptors, cgroups, residentBytes: Number(agentResidentBytes), processes: processesTotal };
}

/** Runs `count` processes, `atOnce` of them at a time. Returns the time of each, in milliseconds. */
export async function runMany(client: AgentClient, count: number, atOnce: number): Promise<number[]> {
  const timesMs: number[] = [];
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const startMs = performance.now();
      const { end } = await client.exec({ argv: ["/bin/true"] }).collect();
      timesMs.push(performance.now() - startMs);
      assert.deepEqual(end, { kind: "exited", code: 0, cause: "own" });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return timesMs;
}

/** Runs so many processes and compares what is held; the first ones are what fills the agent's bounded memory of ended ones. */
export async function checkLeavesNothing(client: AgentClient, count: number): Promise<[Holdings, Holdings]> {
  await runMany(client, Math.min(count, 300), 4);
  const before = await holdings(client);
  await runMany(client, count, 4);
  const after = await holdings(client);
  // The last few may still be on their way out; what each process leaves behind would be many times as much.
  const slack = Math.max(4, count / 20);
  assert.ok(
    after.descriptors <= before.descriptors + slack,
    `descriptors: ${before.descriptors}, ${after.descriptors}`,
  );
  assert.ok(after.cgroups <= before.cgroups + slack, `cgroups: ${before.cgroups}, ${after.cgroups}`);
  const grownBytes = after.residentBytes - before.residentBytes;
  assert.ok(grownBytes < 1 << 20, `memory grew by ${grownBytes} bytes`);
  return [before, after];
}
