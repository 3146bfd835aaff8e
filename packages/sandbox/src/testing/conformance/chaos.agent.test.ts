// Chaos against an agent of this machine: cut sessions and stale bytes. What kills the agent too needs a guest:
// testing/chaos-run.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { realPlatform } from "@kelpie/platform";
import { startAgentProcess } from "./agent-process.ts";
import { failures, makeChaos } from "./chaos.ts";

const program = process.env["KELPIE_AGENT"];
const skip = program === undefined ? "KELPIE_AGENT names no agent; `npm test -- guest` does" : false;

test("sessions that are cut and garbled lose no end and run nothing twice", {
  skip,
  timeout: 60_000,
}, async () => {
  await using directory = await realPlatform.files.temporaryDirectory("kelpie-chaos-");
  await using agent = await startAgentProcess(program ?? "", directory.path);
  const open = (_: number, signal: AbortSignal) => realPlatform.network.connectUnix(agent.socket, signal);
  const result = await makeChaos({ seed: 7, forMs: 4000, ports: [1, 2, 3, 4], calmPort: 0, open });
  assert.deepEqual(failures(result), []);
  assert.equal(result.uncertain + result.lostWithAgent + result.unreachable, 0);
  assert.ok(result.cuts > 0 && result.ended > 0, JSON.stringify(result));
});
