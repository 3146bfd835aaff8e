// The tools, called through the protocol by its own client.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KelpieError } from "@kelpie/platform";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { InMemoryTransport } from "@modelcontextprotocol/sdk/inMemory.js";
import fc from "fast-check";
import type { GuestTools } from "./guest-tools.ts";
import { OutputEnds } from "./output-ends.ts";
import { createMcpServer } from "./server.ts";

const guest: GuestTools = {
  run: (command, { timeoutMs }) =>
    Promise.resolve({ exitCode: 3, stdout: `${command} within ${timeoutMs}`, stderr: "", timedOut: false }),
  read: (path, { offset, maxBytes }) =>
    path === "/missing"
      ? Promise.reject(new KelpieError("not-found", "There is no /missing", { help: "Write it first." }))
      : Promise.resolve({ bytes: Buffer.alloc(maxBytes, "a"), sizeBytes: offset + maxBytes + 5 }),
  write: () => Promise.resolve(),
  list: () =>
    Promise.resolve([
      { name: "b", kind: "directory", sizeBytes: 4096 },
      { name: "a", kind: "file", sizeBytes: 12 },
    ]),
};

async function connect(open: () => Promise<GuestTools>): Promise<Client> {
  const [ours, theirs] = InMemoryTransport.createLinkedPair();
  await createMcpServer("0.0.0", open).connect(theirs);
  const client = new Client({ name: "a test", version: "0.0.0" });
  await client.connect(ours);
  return client;
}

async function call(
  client: Client,
  name: string,
  args: Record<string, unknown>,
): Promise<[boolean, string[]]> {
  const result = await client.callTool({ name, arguments: args });
  const content = result.content as { text: string }[];
  return [result.isError === true, content.map(({ text }) => text)];
}

test("no sandbox is started for a client that only looks at the tools", async () => {
  const client = await connect(() => assert.fail("started"));
  const { tools } = await client.listTools();
  assert.deepEqual(tools.map(({ name }) => name).sort(), ["list", "read", "run", "write"]);
  assert.deepEqual(tools.find(({ name }) => name === "run")?.inputSchema.required, ["command"]);
  await client.close();
});

test("each tool does in the sandbox what it says, in words", async () => {
  const client = await connect(() => Promise.resolve(guest));
  assert.deepEqual(await call(client, "run", { command: "ls", timeout_seconds: 2 }), [
    false,
    ["stdout:\nls within 2000", "Exit code 3."],
  ]);
  const [, [text, more]] = await call(client, "read", { path: "/a", offset: 7 });
  assert.equal(text, "a".repeat(65536));
  assert.equal(more, "5 more bytes follow; go on with offset 65543.");
  assert.deepEqual(await call(client, "write", { path: "/a", content: "ä" }), [
    false,
    ["/a has 2 bytes now."],
  ]);
  assert.deepEqual(await call(client, "list", { path: "/" }), [false, ["a 12 bytes\nb (directory)"]]);
  await client.close();
});

test("what fails in the sandbox is told to the model with its way out; wrong arguments never reach the sandbox", async () => {
  const client = await connect(() => Promise.resolve(guest));
  assert.deepEqual(await call(client, "read", { path: "/missing" }), [
    true,
    ["not-found: There is no /missing", "Write it first."],
  ]);
  for (const wrong of [{}, { command: "" }, { command: "ls", timeout_seconds: 0 }]) {
    const [isError] = await call(client, "run", wrong);
    assert.equal(isError, true, JSON.stringify(wrong));
  }
  await client.close();
});

test("of a long output the beginning and the end are kept, and what is left out is counted", () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: "binary-ascii" })),
      fc.integer({ min: 1, max: 20 }),
      (pieces, half) => {
        const ends = new OutputEnds(half);
        for (const piece of pieces) ends.add(Buffer.from(piece));
        const all = pieces.join("");
        const left = all.length - 2 * half;
        const expected =
          left <= 0 ? all : `${all.slice(0, half)}\n[${left} bytes left out]\n${all.slice(-half)}`;
        assert.equal(ends.text(), expected);
      },
    ),
  );
});
