// The host against agents whose messages are well-formed and untrue: over a client, and over a whole sandbox.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { errorCodes, KelpieError, realPlatform } from "@kelpie/platform";
import type { AgentClient } from "../../agent/agent-client.ts";
import { Sandbox } from "../../lifecycle/sandbox.ts";
import { type FakeAgentBehaviour, playAgent } from "../fake-agent.ts";
import { noImage, PlayedMachine, playedVmm } from "../played-machine.ts";
import { agentLies } from "./agent-lies.ts";
import { growth } from "./expect-sound.ts";
import { fileLies } from "./file-lies.ts";
import type { Lie } from "./lies.ts";
import { processLies } from "./process-lies.ts";

const callMs = 1500;
/** Leaving a process takes a second of it. */
const withinMs = 10_000;
const lies = [...processLies, ...fileLies, ...agentLies];

/** Has the client make the call, and holds it to what must come of it. */
async function expectOutcome({ name, call, outcome }: Lie, client: AgentClient): Promise<void> {
  const startMs = performance.now();
  using deadline = realPlatform.clock.deadline(callMs, name);
  const result = await call(client, deadline.signal).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  assert.ok(performance.now() - startMs < withinMs, "it took too long");
  if (typeof outcome === "function") {
    if ("error" in result) throw result.error;
    outcome(result.value);
    return;
  }
  assert.ok("error" in result, "it succeeded");
  const { error } = result;
  if (!KelpieError.is(error)) throw error;
  assert.ok(Object.hasOwn(errorCodes, error.code), error.code);
  assert.ok(outcome.includes(error.code), `${error.code}: ${error.message}`);
  assert.ok(error.message.length < 5000, `${error.message.length} characters`);
  assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f-\u009f\u202e]/u);
}

/** A sandbox of which the agent is played. */
async function withSandbox(
  behaviour: FakeAgentBehaviour,
  use: (sandbox: Sandbox) => Promise<void>,
): Promise<void> {
  await using home = await realPlatform.files.temporaryDirectory("kelpie-lies-");
  await using agent = playAgent(behaviour);
  const vmm = playedVmm(new PlayedMachine(agent.open));
  await using sandbox = await Sandbox.create({
    platform: realPlatform,
    vmm,
    image: noImage,
    home: home.path,
  });
  await use(sandbox);
}

describe("a client is not deceived where", { concurrency: 16 }, () => {
  for (const lie of lies) {
    test(lie.name, async () => {
      await using agent = playAgent(lie.behaviour);
      await expectOutcome(lie, agent.client);
    });
  }
});

describe("a sandbox is not deceived where", { concurrency: 16 }, () => {
  for (const lie of lies) {
    test(lie.name, () => withSandbox(lie.behaviour, (sandbox) => expectOutcome(lie, sandbox.agent)));
  }
});

test("a guest that never agrees to power off is ended, and what it says to that is not heard", async () => {
  const never = (): Promise<never> => new Promise(() => undefined);
  await withSandbox({ system: { shutdown: never } }, async (sandbox) => {
    assert.deepEqual(await sandbox.shutdown(200), { kind: "host-request" });
  });
});

test("all of it together leaves the host as small as it was", async (context) => {
  const { peakMiB, keptMiB } = await growth(async () => {
    await Promise.all(
      lies.map(async (lie) => {
        await using agent = playAgent(lie.behaviour);
        using deadline = realPlatform.clock.deadline(200, lie.name);
        await lie.call(agent.client, deadline.signal).catch(() => undefined);
      }),
    );
  });
  context.diagnostic(`${lies.length} lies: peak ${peakMiB.toFixed(1)} MiB, kept ${keptMiB.toFixed(1)} MiB`);
  // The agents are in this process, too.
  assert.ok(peakMiB < 384, `it grew by ${peakMiB} MiB`);
  assert.ok(keptMiB < 32, `it kept ${keptMiB} MiB`);
});
