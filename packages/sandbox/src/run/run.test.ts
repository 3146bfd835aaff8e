// `kelpie run` with a machine and an agent that are played here.

import assert from "node:assert/strict";
import { PassThrough, Writable } from "node:stream";
import { test } from "node:test";
import { KelpieError, type Platform, realPlatform } from "@kelpie/platform";
import { ExitCause, OutputStream, SpawnError } from "../agent/gen/kelpie/agent/v1/process_pb.ts";
import type { ProcessRequest } from "../agent/process.ts";
import { type FakeAgentBehaviour, playAgent } from "../testing/fake-agent.ts";
import { noImage, PlayedMachine, playedVmm } from "../testing/played-machine.ts";
import { runInSandbox } from "./run.ts";

const { files } = realPlatform;

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  processes: FakeAgentBehaviour["processes"] & object,
  rest: {
    readonly platform?: Platform;
    readonly request?: Partial<ProcessRequest>;
    readonly signal?: AbortSignal;
    readonly stdout?: Writable;
  } = {},
): Promise<Outcome> {
  await using home = await files.temporaryDirectory("kelpie-run-");
  await using agent = playAgent({ processes });
  const machine = new PlayedMachine(agent.open);
  const stdout = rest.stdout ?? new PassThrough();
  const stderr = new PassThrough();
  try {
    const code = await runInSandbox(
      {
        platform: rest.platform ?? realPlatform,
        vmm: playedVmm(machine),
        image: noImage,
        home: home.path,
        request: { argv: ["x"], ...rest.request },
        ...(rest.signal === undefined ? {} : { signal: rest.signal }),
      },
      { stdout, stderr },
    );
    return { code, stdout: text(stdout), stderr: text(stderr) };
  } finally {
    assert.equal(machine.state.kind, "stopped", "the machine is gone");
    assert.deepEqual(await files.list(`${home.path}/sandboxes`), [], "its directory is gone");
  }
}

const text = (stream: Writable): string =>
  stream instanceof PassThrough ? String((stream.read() as Buffer | null) ?? "") : "";
const output = (stream: OutputStream, data: string) => ({
  event: { event: { case: "output" as const, value: { stream, data: Buffer.from(data) } } },
});
const exited = (value: number) => ({
  event: {
    event: {
      case: "exited" as const,
      value: { status: { case: "code" as const, value }, cause: ExitCause.OWN },
    },
  },
});

test("output goes to its streams and the exit code is the command's", async () => {
  const outcome = await run({
    async *exec() {
      yield await Promise.resolve(output(OutputStream.STDOUT, "out"));
      yield output(OutputStream.STDERR, "err");
      yield exited(42);
    },
  });
  assert.deepEqual(outcome, { code: 42, stdout: "out", stderr: "err" });
});

test("stdin reaches the command", async () => {
  const stdin = new PassThrough();
  stdin.end("hello");
  const outcome = await run(
    {
      async *exec(requests) {
        for await (const { request } of requests) {
          if (request.case === "stdin")
            yield output(OutputStream.STDOUT, Buffer.from(request.value).toString());
        }
        yield exited(0);
      },
    },
    { request: { stdin } },
  );
  assert.deepEqual(outcome, { code: 0, stdout: "hello", stderr: "" });
});

test("a command that cannot be started is explained on stderr", async () => {
  const outcome = await run({
    async *exec() {
      const value = { error: SpawnError.NOT_FOUND, message: "x: no such program" };
      yield await Promise.resolve({ event: { event: { case: "failed" as const, value } } });
    },
  });
  assert.deepEqual(outcome, { code: 127, stdout: "", stderr: "kelpie: x: no such program\n" });
});

test("output that the guest had to drop is said on stderr", async () => {
  const outcome = await run({
    async *exec() {
      const value = { stream: OutputStream.STDOUT, offset: 0n, length: 99n };
      yield await Promise.resolve({ event: { event: { case: "lost" as const, value } } });
      yield exited(0);
    },
  });
  assert.equal(outcome.stderr, "kelpie: 99 bytes of stdout were lost\n");
});

test("when nobody reads the output any more, the command is killed and the code is SIGPIPE's", async () => {
  const closed = new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error(), { code: "EPIPE" })),
  });
  let killed = 0;
  const outcome = await run(
    {
      async *exec() {
        for (;;) yield await Promise.resolve(output(OutputStream.STDOUT, "y\n"));
      },
      signalProcess: () => {
        killed++;
        return { delivered: true };
      },
    },
    { stdout: closed },
  );
  assert.equal(outcome.code, 141);
  assert.equal(killed, 1);
});

test("a cancelled run takes the machine away and is cancelled", async () => {
  const controller = new AbortController();
  const running = run(
    {
      async *exec(_, { signal }) {
        controller.abort();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        yield exited(0);
      },
    },
    { signal: controller.signal },
  );
  await assert.rejects(running, (error) => KelpieError.is(error) && error.code === "cancelled");
});

test("a guest that does not end its command at the timeout is given up, with the code of a timeout", async () => {
  const { clock } = realPlatform;
  const platform: Platform = {
    ...realPlatform,
    clock: { ...clock, deadline: (durationMs, what) => clock.deadline(durationMs / 50, what) },
  };
  const outcome = await run(
    {
      async *exec(_, { signal }) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        yield exited(0);
      },
    },
    { platform, request: { timeoutMs: 1000 } },
  );
  assert.equal(outcome.code, 124);
});

test("a guest that goes while its command runs is told with how it went and what its console said", async () => {
  await using home = await files.temporaryDirectory("kelpie-run-");
  const machines: PlayedMachine[] = [];
  await using agent = playAgent({
    processes: {
      async *exec() {
        yield await Promise.resolve(output(OutputStream.STDOUT, "x"));
        machines[0]?.console.append(Buffer.from("Kernel panic - not syncing: test\n"));
        machines[0]?.end({ kind: "guest-reset" });
        agent.sessions[0]?.destroy();
      },
    },
  });
  const machine = new PlayedMachine(agent.open);
  machines.push(machine);
  const running = runInSandbox(
    {
      platform: realPlatform,
      vmm: playedVmm(machine),
      image: noImage,
      home: home.path,
      request: { argv: ["x"] },
    },
    { stdout: new PassThrough(), stderr: new PassThrough() },
  );
  await assert.rejects(running, (error) => {
    assert.ok(KelpieError.is(error));
    assert.equal(error.code, "guest-lost");
    assert.match(
      error.message,
      /The guest is gone: the guest reset itself.*Kernel panic - not syncing: test/s,
    );
    return true;
  });
});
