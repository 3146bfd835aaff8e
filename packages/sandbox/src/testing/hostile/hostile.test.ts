// The host against agents that want it to hang, to grow, to crash or to write where it must not.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AgentClient } from "../../agent/agent-client.ts";
import { endsByError, growth } from "./expect-sound.ts";
import { attack, type WireAttack } from "./raw-agent.ts";
import { wireAttacks, wireFloods } from "./wire-attacks.ts";

const withinMs = 200;

async function listAll(client: AgentClient, signal: AbortSignal): Promise<void> {
  for await (const _ of client.files.list("/", { signal }));
}

/** Calls of each kind: a question, a stream of answers, a stream both ways. */
const calls: Readonly<Record<string, (client: AgentClient, signal: AbortSignal) => Promise<unknown>>> = {
  ping: (client, signal) => client.ping({ signal }),
  list: listAll,
  run: (client, signal) => client.exec({ argv: ["true"] }, signal).collect(),
};

async function survive(hostile: WireAttack, names: readonly string[]): Promise<void> {
  await using agent = attack(hostile);
  await Promise.all(
    names.map((name) =>
      endsByError(`${hostile.name}: ${name}`, withinMs, async (signal) =>
        calls[name]?.(agent.client, signal),
      ),
    ),
  );
  await agent.client[Symbol.asyncDispose]();
  const open = agent.hostEnds.filter((end) => !end.destroyed);
  assert.equal(open.length, 0, `${open.length} of ${agent.hostEnds.length} connections are left open`);
}

describe("every call ends when the agent", { concurrency: true }, () => {
  for (const hostile of wireAttacks) test(hostile.name, () => survive(hostile, ["ping", "list", "run"]));
});

describe("the host stays small while the agent never ends sending", () => {
  for (const hostile of wireFloods) {
    test(hostile.name, async (context) => {
      const { peakMiB, keptMiB } = await growth(() => survive(hostile, ["ping", "list"]));
      context.diagnostic(`peak ${peakMiB.toFixed(1)} MiB, kept ${keptMiB.toFixed(1)} MiB`);
      assert.ok(peakMiB < 128, `it grew by ${peakMiB} MiB`);
      assert.ok(keptMiB < 4, `it kept ${keptMiB} MiB`);
    });
  }
});
