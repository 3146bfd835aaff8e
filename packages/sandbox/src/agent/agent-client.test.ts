// The client against an agent that is played here: what it makes of each answer, and what it bounds.

import assert from "node:assert/strict";
import type { Duplex } from "node:stream";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { playAgent } from "../testing/fake-agent.ts";
import { refusedByGuest } from "../vmm/vsock/vsock-connect.ts";
import { AgentClient } from "./agent-client.ts";
import {
  type ExecRequest,
  ExitCause,
  OutputStream,
  SpawnError,
  StdinMode,
} from "./gen/kelpie/agent/v1/process_pb.ts";
import { processEnd } from "./process.ts";

const fails =
  (code: KelpieErrorCode, pattern = /(?:)/) =>
  (error: unknown) =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);

const output = (stream: OutputStream, text: string) => ({
  event: { event: { case: "output" as const, value: { stream, data: Buffer.from(text) } } },
});
const exited = (code: number, cause = ExitCause.OWN) => ({
  event: {
    event: { case: "exited" as const, value: { status: { case: "code" as const, value: code }, cause } },
  },
});

test("a ping comes back and says how long it took", async () => {
  await using agent = playAgent({});
  assert.ok((await agent.client.ping()) >= 0);
});

test("output arrives apart and in order, and then the exit code", async () => {
  await using agent = playAgent({
    processes: {
      async *exec() {
        yield await Promise.resolve(output(OutputStream.STDOUT, "one "));
        yield output(OutputStream.STDERR, "warning");
        yield output(OutputStream.STDOUT, "two");
        yield exited(3);
      },
    },
  });
  const { stdout, stderr, end } = await agent.client.exec({ argv: ["x"] }).collect();
  assert.equal(Buffer.from(stdout).toString(), "one two");
  assert.equal(Buffer.from(stderr).toString(), "warning");
  assert.deepEqual(end, { kind: "exited", code: 3, cause: "own" });
});

test("the request says what to run, as whom, where, for how long and with what input", async () => {
  let first: ExecRequest | undefined;
  await using agent = playAgent({
    processes: {
      async *exec(requests) {
        for await (const request of requests) first ??= request;
        yield exited(0);
      },
    },
  });
  const argv = ["sh", "-c", "true"] as const;
  await agent.client.exec({ argv, env: { A: "b" }, cwd: "/tmp", user: 1000, timeoutMs: 1500.2 }).collect();
  assert.equal(first?.request.case, "start");
  const { id, spec } = first.request.value;
  assert.match(id, /^[0-9a-f]{16}$/);
  assert.deepEqual(spec?.argv, argv);
  assert.deepEqual(spec.env, { A: "b" });
  assert.equal(spec.cwd, "/tmp");
  assert.deepEqual(spec.identity?.user, { case: "uid", value: 1000 });
  assert.equal(spec.timeoutMs, 1501n);
  assert.equal(spec.stdin, StdinMode.EMPTY);
});

test("stdin is passed on in pieces that the agent takes, and its end is the end of the requests", async () => {
  const received: Uint8Array[] = [];
  await using agent = playAgent({
    processes: {
      async *exec(requests) {
        for await (const { request } of requests) if (request.case === "stdin") received.push(request.value);
        yield exited(0);
      },
    },
  });
  const input = Buffer.alloc(200_001, "abc");
  await agent.client.exec({ argv: ["cat"], stdin: once(input) }).collect();
  assert.ok(Buffer.concat(received).equals(input));
  assert.ok(received.every(({ length }) => length <= 64 << 10));
});

test("a process that ends does not wait for its stdin's source", async () => {
  await using agent = playAgent({
    processes: {
      async *exec() {
        yield await Promise.resolve(exited(0));
      },
    },
  });
  const { end } = await agent.client.exec({ argv: ["true"], stdin: forever() }).collect();
  assert.equal(end.kind, "exited");
});

test("a slow reader holds the agent back", async () => {
  let sent = 0;
  await using agent = playAgent({
    processes: {
      async *exec() {
        const chunk = "x".repeat(32 << 10);
        for (; sent < 2000; sent++) yield await Promise.resolve(output(OutputStream.STDOUT, chunk));
        yield exited(0);
      },
      signalProcess: () => ({ delivered: true }),
    },
  });
  const steps = agent.client.exec({ argv: ["yes"] })[Symbol.asyncIterator]();
  await steps.next();
  let before = -1;
  while (before !== sent) {
    before = sent;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(sent < 100, `${sent} chunks of 32 KiB were sent to a reader of one`);
  await steps.return({ kind: "exited", code: 0, cause: "own" });
});

test("a process whose reader leaves is killed", async () => {
  const killed = Promise.withResolvers<number | undefined>();
  await using agent = playAgent({
    processes: {
      async *exec(_, { signal }) {
        yield output(OutputStream.STDOUT, "x");
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      signalProcess: ({ signal }) => {
        killed.resolve(signal?.number);
        return { delivered: true };
      },
    },
  });
  for await (const _ of agent.client.exec({ argv: ["yes"] })) break;
  assert.equal(await killed.promise, 9);
});

test("an aborted execution ends with the signal's reason", async () => {
  const controller = new AbortController();
  await using agent = playAgent({
    processes: {
      async *exec(_, { signal }) {
        yield output(OutputStream.STDOUT, "x");
        controller.abort(new KelpieError("timeout", "enough"));
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  });
  await assert.rejects(
    agent.client.exec({ argv: ["yes"] }, controller.signal).collect(),
    fails("timeout", /enough/),
  );
});

test("more output than is asked for is refused", async () => {
  await using agent = playAgent({
    processes: {
      async *exec() {
        for (;;) yield await Promise.resolve(output(OutputStream.STDOUT, "x".repeat(1000)));
      },
      signalProcess: () => ({ delivered: true }),
    },
  });
  await assert.rejects(agent.client.exec({ argv: ["yes"] }).collect(10_000), fails("limit-exceeded"));
});

test("a lost session fails its calls, and the next call opens another", async () => {
  await using agent = playAgent({
    processes: {
      async *exec(_, { signal }) {
        yield output(OutputStream.STDOUT, "x");
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    },
  });
  await agent.client.ping();
  const running = agent.client.exec({ argv: ["sleep"] });
  await assert.rejects(async () => {
    for await (const _ of running) agent.sessions[0]?.destroy();
  }, fails("guest-lost"));
  await agent.client.ping();
  assert.equal(agent.sessions.length, 2);
});

test("a call that is not answered fails at its deadline", async () => {
  await using agent = playAgent({ agent: { getInfo: () => new Promise<never>(() => undefined) } });
  await assert.rejects(agent.client.info({ timeoutMs: 50 }), fails("timeout"));
});

test("a refusal says what was asked and what the guest says, without terminal control", async () => {
  await using agent = playAgent({
    system: {
      shutdown: () => {
        throw new ConnectError("\u001b[2Jnot now", Code.FailedPrecondition, { "kelpie-errno": "EBUSY" });
      },
    },
  });
  await assert.rejects(
    agent.client.shutdown(),
    fails("guest-refused", /power off: found not now \(EBUSY\)$/),
  );
});

test("an answer larger than the protocol allows is refused", async () => {
  await using agent = playAgent({ agent: { ping: () => ({ payload: new Uint8Array(2 << 20) }) } });
  await assert.rejects(agent.client.ping(), fails("guest-refused"));
});

test("a guest that ends the stream without an exit is lost", async () => {
  await using agent = playAgent({
    processes: {
      async *exec() {
        yield await Promise.resolve(output(OutputStream.STDOUT, "x"));
      },
    },
  });
  await assert.rejects(agent.client.exec({ argv: ["x"] }).collect(), fails("guest-lost"));
});

const failures: readonly (readonly [SpawnError, string])[] = [
  [SpawnError.NOT_FOUND, "not-found"],
  [SpawnError.INTERPRETER_MISSING, "not-found"],
  [SpawnError.NOT_EXECUTABLE, "not-executable"],
  [SpawnError.BAD_FORMAT, "not-executable"],
  [SpawnError.NO_SUCH_USER, "no-such-user"],
  [SpawnError.CWD_MISSING, "bad-directory"],
  [SpawnError.RESOURCES, "other"],
  [999 as SpawnError, "other"],
];

for (const [error, failure] of failures) {
  test(`a process that fails to start by spawn error ${error} is ${failure}`, async () => {
    await using agent = playAgent({
      processes: {
        async *exec() {
          const value = { error, message: "because" };
          yield await Promise.resolve({ event: { event: { case: "failed" as const, value } } });
        },
      },
    });
    const { end } = await agent.client.exec({ argv: ["x"] }).collect();
    assert.deepEqual(end, { kind: "not-started", failure, message: "because" });
  });
}

test("an end that no process can have is malformed", () => {
  const rest = { cause: ExitCause.OWN, coreDumped: false, durationNs: 0n, outputHeld: false };
  const impossible = [
    { case: "code", value: 256 },
    { case: "signal", value: 0 },
    { case: "signal", value: 65 },
    { case: undefined },
  ] as const;
  for (const status of impossible) {
    assert.throws(
      () => processEnd({ $typeName: "kelpie.agent.v1.Exit", status, ...rest }),
      fails("malformed"),
    );
  }
});

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

async function* forever(): AsyncGenerator<Uint8Array> {
  yield await new Promise<never>(() => undefined);
}

test("a guest that does not listen on vsock yet is asked again until it does", async () => {
  await using agent = playAgent({});
  let refusals = 3;
  const open = (): Promise<Duplex> => {
    if (refusals-- === 0) return agent.open();
    return Promise.reject(new KelpieError("unreachable", "No vsock yet", { found: refusedByGuest }));
  };
  await using client = new AgentClient({ ...realPlatform, open });
  await client.waitUntilReady(AbortSignal.timeout(5000));
  assert.equal(refusals, -1);
});
