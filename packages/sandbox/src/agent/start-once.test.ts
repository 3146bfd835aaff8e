// A process is started at most once, whatever becomes of the connection and of the agent: against agents played here, which
// treat a start as the real one does (guest/agent/tests/once.rs).

import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { KelpieError, type KelpieErrorCode } from "@kelpie/platform";
import { type FakeAgent, type FakeAgentBehaviour, playAgent } from "../testing/fake-agent.ts";
import { ExitCause, SpawnError, type StartProcessRequest } from "./gen/kelpie/agent/v1/process_pb.ts";

const [first, second] = ["1".repeat(32), "2".repeat(32)] as const;
const exited = {
  event: {
    event: {
      case: "exited" as const,
      value: { status: { case: "code" as const, value: 0 }, cause: ExitCause.OWN },
    },
  },
};
const fails =
  (code: KelpieErrorCode, pattern: RegExp) =>
  (error: unknown): boolean =>
    KelpieError.is(error) && error.code === code && pattern.test(error.message);
const mayHaveRun = fails("guest-lost", /not known whether the process ran/);

/** When the agent loses something. */
type Fate =
  /** The session, before the agent has read of the start. */
  | "is cut off before"
  /** The session, after it has started the process, and before it says so. */
  | "is cut off after"
  /** Itself, after it has started the process: another instance answers from then on. */
  | "dies after"
  /** Itself, before it has read of the start. */
  | "dies before"
  /** Itself, between the handshake and the start, as a resumed snapshot does. */
  | "is renewed before"
  | "answers";

/** An agent to whom `fates` happen, one at each start that it hears of. */
class Guest {
  readonly started: string[] = [];
  readonly agent: FakeAgent;
  #instance: string;
  #known = new Set<string>();
  readonly #fates: Fate[];
  readonly #tells: boolean;

  constructor(fates: readonly Fate[], tells = true) {
    this.#fates = [...fates];
    this.#instance = first;
    this.#tells = tells;
    const processes: FakeAgentBehaviour["processes"] = {
      exec: (requests) => this.#exec(requests),
      startProcess: async (request) => {
        await this.#start(request);
        return { result: { case: "process", value: { id: request.id, pid: 4 } } };
      },
      attach: (request) => this.#attach(request.id),
      signalProcess: () => ({ delivered: true }),
    };
    this.agent = playAgent({ processes, instance: () => (tells ? this.#instance : undefined) });
  }

  async *#exec(
    requests: AsyncIterable<{ request: { case: string | undefined; value?: unknown } }>,
  ): AsyncGenerator<typeof exited> {
    for await (const { request } of requests) {
      if (request.case !== "start") continue;
      await this.#start(request.value as StartProcessRequest);
      break;
    }
    yield exited;
  }

  async *#attach(id: string): AsyncGenerator<typeof exited> {
    await Promise.resolve();
    if (!this.#known.has(id)) throw new ConnectError("There is no process of this id", Code.NotFound);
    yield exited;
  }

  async #start({ id, instanceId }: StartProcessRequest): Promise<void> {
    const fate = this.#fates.shift() ?? "answers";
    if (fate === "is renewed before") this.#instance = second;
    if (fate === "is cut off before") await this.#cut();
    if (fate === "dies before") await this.#die();
    if (!this.#known.has(id)) {
      if (this.#tells && instanceId !== "" && instanceId !== this.#instance) {
        const trailer = { "kelpie-instance": this.#instance };
        throw new ConnectError("This was meant for another instance", Code.FailedPrecondition, trailer);
      }
      this.#known.add(id);
      this.started.push(id);
    }
    if (fate === "is cut off after") await this.#cut();
    if (fate === "dies after") await this.#die();
  }

  async #die(): Promise<never> {
    this.#instance = second;
    this.#known = new Set();
    return await this.#cut();
  }

  async #cut(): Promise<never> {
    for (const session of this.agent.sessions) session.destroy();
    return await new Promise<never>(() => undefined);
  }
}

const ways = {
  exec: (guest: Guest): Promise<unknown> => guest.agent.client.exec({ argv: ["x"] }).collect(),
  start: (guest: Guest): Promise<unknown> => guest.agent.client.start({ argv: ["x"] }),
};

/** What happens at each start that the agent hears of; how often the process then ran; and whether the caller knows. */
const rows: readonly [fates: readonly Fate[], runs: number, isKnown: boolean][] = [
  [["answers"], 1, true],
  [["is cut off before"], 1, true],
  [["is cut off after"], 1, true],
  [["is cut off before", "is cut off before", "is cut off after"], 1, true],
  [["is renewed before"], 1, true],
  [["is renewed before", "is cut off after"], 1, true],
  [["dies after"], 1, false],
  [["dies before"], 0, false],
  [["is cut off before", "dies after"], 1, false],
  [["is cut off after", "dies before"], 1, false],
  [["is cut off before", "is renewed before"], 0, false],
];

for (const [name, way] of Object.entries(ways)) {
  for (const [fates, runs, isKnown] of rows) {
    const outcome = isKnown ? "is told its end" : "is told that nobody knows";
    test(`${name} by an agent that ${fates.join(", then ")} runs ${runs} times and ${outcome}`, async () => {
      const guest = new Guest(fates);
      await using _ = guest.agent;
      if (isKnown) await way(guest);
      else await assert.rejects(way(guest), mayHaveRun);
      assert.equal(guest.started.length, runs);
    });
  }

  test(`${name} by an agent that does not say who it is asks no second time`, async () => {
    const guest = new Guest(["is cut off before"], false);
    await using _ = guest.agent;
    await assert.rejects(way(guest), mayHaveRun);
    assert.equal(guest.started.length, 0);
  });

  test(`${name} by an agent that has another name each time it is asked is refused soon`, async () => {
    const asked: string[] = [];
    const refuse = (instanceId: string): never => {
      asked.push(instanceId);
      const trailer = { "kelpie-instance": asked.length.toString(16).padStart(32, "0") };
      throw new ConnectError("This was meant for another instance", Code.FailedPrecondition, trailer);
    };
    await using agent = playAgent({
      processes: {
        // biome-ignore lint/correctness/useYield: it refuses
        async *exec(requests) {
          for await (const { request } of requests)
            if (request.case === "start") refuse(request.value.instanceId);
        },
        startProcess: ({ instanceId }) => refuse(instanceId),
        signalProcess: () => ({ delivered: false }),
      },
    });
    const run =
      name === "exec" ? agent.client.exec({ argv: ["x"] }).collect() : agent.client.start({ argv: ["x"] });
    await assert.rejects(run, fails("guest-refused", /another instance/));
    assert.equal(asked.length, 5);
    assert.equal(new Set(asked).size, 5);
  });
}

test("an execution by an older agent goes on where it was, though its start was not answered", async () => {
  const guest = new Guest(["is cut off after"], false);
  await using _ = guest.agent;
  await ways.exec(guest);
  assert.equal(guest.started.length, 1);
});

test("a program that cannot be started is told as such, though the first answer was lost", async () => {
  const failure = { error: SpawnError.NOT_FOUND, message: "There is no such program" };
  await using agent: FakeAgent = playAgent({
    processes: {
      // biome-ignore lint/correctness/useYield: it is cut before it says anything
      async *exec(requests) {
        for await (const { request } of requests) if (request.case === "start") break;
        for (const session of agent.sessions) session.destroy();
      },
      startProcess: () => ({ result: { case: "failure", value: failure } }),
    },
  });
  const { end } = await agent.client.exec({ argv: ["nonsense"] }).collect();
  assert.deepEqual(end, { kind: "not-started", failure: "not-found", message: failure.message });
});

test("an answer to a start that says nothing is malformed", async () => {
  await using agent = playAgent({ processes: { startProcess: () => ({}) } });
  await assert.rejects(agent.client.start({ argv: ["x"] }), fails("malformed", /neither/));
});

test("a resumed agent is asked by its new name, without a refusal on the way", async () => {
  const asked: string[] = [];
  await using agent = playAgent({
    instance: () => first,
    system: { resume: () => ({ instanceId: second }) },
    processes: {
      startProcess: ({ id, instanceId }) => {
        asked.push(instanceId);
        return { result: { case: "process", value: { id } } };
      },
    },
  });
  await agent.client.start({ argv: ["x"] });
  await agent.client.resume({ entropy: Buffer.alloc(64) });
  await agent.client.start({ argv: ["x"] });
  assert.deepEqual(asked, [first, second]);
});
