// An execution over connections that are lost, against an agent that is played here.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { type FakeAgent, type FakeAgentBehaviour, playAgent } from "../testing/fake-agent.ts";
import { AgentClient } from "./agent-client.ts";
import { ExitCause, OutputStream } from "./gen/kelpie/agent/v1/process_pb.ts";

type Processes = NonNullable<FakeAgentBehaviour["processes"]>;

const fails =
  (code: KelpieErrorCode, pattern = /(?:)/) =>
  (error: unknown) =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);

const output = (text: string, stream: OutputStream = OutputStream.STDOUT) => ({
  event: { event: { case: "output" as const, value: { stream, data: Buffer.from(text) } } },
});
const started = (stdinBytes = 0n, stdinOpen = false) => ({
  event: { event: { case: "started" as const, value: { stdinBytes, stdinOpen } } },
});
const exited = (code: number) => ({
  event: {
    event: {
      case: "exited" as const,
      value: { status: { case: "code" as const, value: code }, cause: ExitCause.OWN },
    },
  },
});

/** An agent whose first session is cut after what `exec` yields. */
function cutAgent(processes: Processes): FakeAgent {
  return playAgent({ processes: { signalProcess: () => ({ delivered: true }), ...processes } });
}

/** Cuts the sessions so far, and then never ends. */
async function cut(agent: () => FakeAgent): Promise<never> {
  // What was yielded before must have left.
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const session of agent().sessions) session.destroy();
  return await new Promise<never>(() => undefined);
}

test("a lost execution attaches again at the bytes that came, and ends as the process did", async () => {
  const asked: unknown[] = [];
  await using agent: FakeAgent = cutAgent({
    async *exec() {
      yield started();
      yield output("abc");
      yield output("err", OutputStream.STDERR);
      await cut(() => agent);
    },
    async *attach({ id, stdoutOffset, stderrOffset }) {
      asked.push([id.length, stdoutOffset, stderrOffset]);
      yield await Promise.resolve(started());
      yield output("def");
      yield exited(4);
    },
  });
  const execution = agent.client.exec({ argv: ["x"] });
  const { stdout, stderr, end } = await execution.collect();
  assert.deepEqual([Buffer.from(stdout).toString(), Buffer.from(stderr).toString()], ["abcdef", "err"]);
  assert.deepEqual(end, { kind: "exited", code: 4, cause: "own" });
  assert.deepEqual(asked, [[16, 3n, 3n]]);
  assert.deepEqual(execution.offsets, { stdout: 6, stderr: 3 });
});

test("a start whose answer was lost is asked for again by the same name", async () => {
  const names: string[] = [];
  await using agent: FakeAgent = cutAgent({
    // biome-ignore lint/correctness/useYield: it is cut before it says anything
    async *exec(requests) {
      for await (const { request } of requests) if (request.case === "start") names.push(request.value.id);
      await cut(() => agent);
    },
    startProcess: ({ id }) => {
      names.push(id);
      return { result: { case: "process", value: { id } } };
    },
    async *attach({ id }) {
      names.push(id);
      yield await Promise.resolve(exited(0));
    },
  });
  await agent.client.exec({ argv: ["x"] }).collect();
  assert.equal(names.length, 3);
  assert.equal(new Set(names).size, 1);
});

test("input that was under way is sent again from where the process has it, each piece with its place", async () => {
  const received: [bigint | undefined, string][] = [];
  const whole = Promise.withResolvers<undefined>();
  async function* input(): AsyncGenerator<Uint8Array> {
    yield await Promise.resolve(Buffer.from("0123"));
    yield Buffer.from("4567");
    yield Buffer.from("89");
  }
  await using agent: FakeAgent = cutAgent({
    async *exec(requests) {
      yield started();
      let count = 0;
      for await (const { request } of requests) if (request.case === "stdin" && ++count === 2) break;
      await cut(() => agent);
    },
    async *attach() {
      yield started(3n, true);
      await whole.promise;
      yield exited(0);
    },
    async writeStdin(requests) {
      for await (const { offset, data, end } of requests) {
        if (data.length > 0) received.push([offset, Buffer.from(data).toString()]);
        if (end) whole.resolve(undefined);
      }
      return { acceptedBytes: 10n };
    },
  });
  await agent.client.exec({ argv: ["cat"], stdin: input() }).collect();
  const text = received.map(([, piece]) => piece).join("");
  assert.equal(text, "3456789");
  let at = 3n;
  for (const [offset, piece] of received) {
    assert.equal(offset, at);
    at += BigInt(piece.length);
  }
});

test("an agent that was started again does not know the process, and says so at once", async () => {
  await using agent: FakeAgent = cutAgent({
    async *exec() {
      yield output("x");
      await cut(() => agent);
    },
    // biome-ignore lint/correctness/useYield: it refuses
    async *attach() {
      await Promise.resolve();
      throw new ConnectError("no such process", Code.NotFound);
    },
  });
  const startMs = performance.now();
  await assert.rejects(agent.client.exec({ argv: ["x"] }).collect(), fails("guest-lost", /started again/));
  assert.ok(performance.now() - startMs < 5000);
});

test("a client that is disposed does not come back", async () => {
  await using agent: FakeAgent = cutAgent({
    async *exec() {
      yield output("x");
      await new Promise<never>(() => undefined);
    },
  });
  const steps = agent.client.exec({ argv: ["x"] })[Symbol.asyncIterator]();
  await steps.next();
  const lost = assert.rejects(steps.next(), fails("guest-lost"));
  await agent.client[Symbol.asyncDispose]();
  await lost;
  assert.equal(agent.sessions.length, 1);
});

test("an agent that falls silent in a call is found out, and the next session answers", async () => {
  await using agent = playAgent({});
  let count = 0;
  await using client = new AgentClient({
    ...realPlatform,
    probe: { everyMs: 50, answerWithinMs: 200 },
    async open() {
      const stream = await agent.open();
      // The first session's bytes go nowhere any more, once it stands.
      if (count++ === 0) setTimeout(() => agent.sessions.at(-1)?.pause(), 100);
      return stream;
    },
  });
  await client.ping();
  await new Promise((resolve) => setTimeout(resolve, 150));
  await client.ping({ timeoutMs: 5000 });
  assert.equal(count, 2);
});

test("leaving a process that outlives its reader does not kill it", async () => {
  let kills = 0;
  await using agent = playAgent({
    processes: {
      async *exec() {
        yield output("x");
        await new Promise<never>(() => undefined);
      },
      signalProcess: () => {
        kills++;
        return { delivered: true };
      },
    },
  });
  for await (const _ of agent.client.exec({ argv: ["x"], outlivesReader: true })) break;
  for await (const _ of agent.client.exec({ argv: ["x"] })) break;
  assert.equal(kills, 1);
});
