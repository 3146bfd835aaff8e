// What is large on a port of its own, with an agent that is played here.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { type FakeAgent, playAgent } from "../testing/fake-agent.ts";
import { AgentClient } from "./agent-client.ts";

/** An agent that begins to read what is written when `ready` resolves. */
function slowWriter(ready: Promise<undefined>): FakeAgent {
  return playAgent({
    files: {
      async writeFile(requests) {
        await ready;
        for await (const _ of requests);
        return { file: { path: "/big" } };
      },
    },
  });
}

test("a file that the guest does not take yet stands on a port of its own, and calls go on", async () => {
  const ready = Promise.withResolvers<undefined>();
  await using agent = slowWriter(ready.promise);
  await using client = new AgentClient({ ...realPlatform, open: agent.open, openBulk: agent.open });
  const written = client.files.write("/big", Buffer.alloc(4 << 20));
  await client.ping({ timeoutMs: 5000 });
  assert.equal(agent.sessions.length, 2);
  ready.resolve(undefined);
  assert.equal((await written).path, "/big");
});

test("while no second port is to be had files go over the first, and later over their own", async () => {
  await using agent = slowWriter(Promise.resolve(undefined));
  let isFree = false;
  const openBulk: typeof agent.open = () =>
    isFree ? agent.open() : Promise.reject(new KelpieError("in-use", "No port is free"));
  await using client = new AgentClient({ ...realPlatform, open: agent.open, openBulk });
  await client.files.write("/big", Buffer.alloc(1 << 20));
  assert.equal(agent.sessions.length, 1);
  isFree = true;
  await client.files.write("/big", Buffer.alloc(1 << 20));
  assert.equal(agent.sessions.length, 2);
});

test("a port of its own that cannot be opened for another reason is told", async () => {
  await using agent = slowWriter(Promise.resolve(undefined));
  const openBulk: typeof agent.open = () => Promise.reject(new KelpieError("not-found", "There is no port"));
  await using client = new AgentClient({ ...realPlatform, open: agent.open, openBulk });
  await assert.rejects(client.files.write("/big", Buffer.alloc(1)), /There is no port/);
});
