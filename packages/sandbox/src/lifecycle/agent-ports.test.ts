// Ports of one sandbox, leased by several users.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError, realPlatform } from "@kelpie/platform";
import { type AgentPorts, leasePorts } from "./agent-ports.ts";

const { files } = realPlatform;
const { signal } = new AbortController();

const leaseOf = (directory: string, ports: number): Promise<AgentPorts> =>
  leasePorts(realPlatform, { directory, ports, name: "one", signal });

const locks = async (directory: string): Promise<number> =>
  (await files.list(directory)).filter((name) => name.endsWith(".lock")).length;

test("the second port is leased when it is first wanted, stays the same, and both are free afterwards", async () => {
  await using directory = await files.temporaryDirectory("kelpie-ports-");
  {
    await using ports = await leaseOf(directory.path, 3);
    assert.equal(await locks(directory.path), 1);
    const [first, second] = await Promise.all([ports.bulk(signal), ports.bulk(signal)]);
    assert.equal(first, second);
    assert.notEqual(first, ports.calls);
    assert.equal(await locks(directory.path), 2);
  }
  assert.equal(await locks(directory.path), 0);
});

test("nobody waits for a second port: where none is free that is said at once, and one that was left is taken", async () => {
  await using directory = await files.temporaryDirectory("kelpie-ports-");
  await using ports = await leaseOf(directory.path, 2);
  {
    await using _other = await leaseOf(directory.path, 2);
    const taken = ports.bulk(signal);
    await assert.rejects(taken, (error) => KelpieError.is(error) && error.code === "in-use");
  }
  assert.equal(await ports.bulk(signal), 1 - ports.calls);
});
