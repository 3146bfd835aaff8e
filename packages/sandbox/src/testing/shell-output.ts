// What a script prints in a guest, for tests.

import assert from "node:assert/strict";
import type { AgentClient } from "../agent/agent-client.ts";

/** Runs a script that is to succeed, by a guest's agent or a sandbox; returns what it prints. */
export async function shellOutput(guest: Pick<AgentClient, "exec">, script: string): Promise<string> {
  const { stdout, stderr, end } = await guest.exec({ argv: ["sh", "-c", script] }).collect();
  assert.deepEqual(end, { kind: "exited", code: 0, cause: "own" }, Buffer.from(stderr).toString());
  return Buffer.from(stdout).toString();
}
