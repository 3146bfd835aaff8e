// Lies about processes.

import assert from "node:assert/strict";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  ExitCause,
  OutputStream,
  type ProcessEventSchema,
  type SpawnError,
} from "../../agent/gen/kelpie/agent/v1/process_pb.ts";
import { listProcesses } from "../../lifecycle/sandbox-processes.ts";
import { forever, type Lie, most, nasty, silence, stalled } from "./lies.ts";

type Event = NonNullable<MessageInitShape<typeof ProcessEventSchema>["event"]>;

const exited = (code: number, cause: number = ExitCause.OWN): Event => ({
  case: "exited",
  value: { status: { case: "code", value: code }, cause: cause as ExitCause },
});
const output = (text: string, offset: bigint, stream: number = OutputStream.STDOUT): Event => ({
  case: "output",
  value: { stream: stream as OutputStream, data: Buffer.from(text), offset },
});
const started = (fields: { id?: string; pid?: number } = {}): Event => ({ case: "started", value: fields });

/** An agent of which a process does just this. */
const does = (name: string, events: readonly Event[], outcome: Lie["outcome"]): Lie => ({
  name: `a process ${name}`,
  behaviour: {
    processes: {
      async *exec() {
        for (const event of events) yield await Promise.resolve({ event: { event } });
      },
      signalProcess: () => ({ delivered: false }),
    },
  },
  call: (client, signal) => client.exec({ argv: ["x"] }, signal).collect(4096),
  outcome,
});

const endsWith =
  (expected: object) =>
  (value: unknown): void =>
    assert.deepEqual((value as { end: object }).end, expected);

const lists = (name: string, processes: readonly object[], outcome: Lie["outcome"]): Lie => ({
  name: `the list of processes ${name}`,
  behaviour: { processes: { listProcesses: () => ({ processes: [...processes] }) } },
  call: (agent, signal) => listProcesses({ agent }, signal),
  outcome,
});

export const processLies: readonly Lie[] = [
  does("ends with code 256", [exited(256)], ["malformed"]),
  does("ends with code 2^32 - 1", [exited(0xffffffff)], ["malformed"]),
  ...[0, 65, 0xffffffff].map((signal) =>
    does(
      `is ended by signal ${signal}`,
      [{ case: "exited", value: { status: { case: "signal", value: signal } } }],
      ["malformed"],
    ),
  ),
  does("ends in no way at all", [{ case: "exited", value: {} }], ["malformed"]),
  does(
    "ends for a cause that there is not",
    [exited(3, 99)],
    endsWith({ kind: "exited", code: 3, cause: "own" }),
  ),
  does("ends without an end", [started(), output("x", 0n)], ["guest-lost", "guest-refused"]),
  does("ends twice, and writes after its end", [exited(1), exited(2), output("late", 0n)], (value) => {
    assert.deepEqual((value as { end: object }).end, { kind: "exited", code: 1, cause: "own" });
    assert.equal((value as { stdout: Uint8Array }).stdout.length, 0);
  }),
  does("starts twice", [started(), started()], ["malformed"]),
  does(
    "is another than was asked for",
    [started({ id: "../../x", pid: 0xffffffff }), exited(0)],
    endsWith({
      ...{ kind: "exited", code: 0, cause: "own" },
    }),
  ),
  does("writes from the middle on", [output("x", 5n)], ["malformed"]),
  does("writes the same twice", [output("x", 0n), output("x", 0n)], ["malformed"]),
  does("writes at the end of all numbers", [output("x", most)], ["malformed"]),
  does("writes nothing", [output("", 0n)], ["malformed"]),
  does(
    "has lost more than there can be",
    [{ case: "lost", value: { stream: 1, offset: 0n, length: most } }],
    ["malformed"],
  ),
  does("writes to a stream that there is not", [output("x", 0n, 99), exited(0)], (value) =>
    assert.equal(Buffer.from((value as { stdout: Uint8Array }).stdout).toString(), "x"),
  ),
  does(
    "cannot start, in words for a terminal",
    [{ case: "failed", value: { error: 99 as SpawnError, message: nasty } }],
    (value) => {
      const { end } = value as { end: { kind: string; message: string } };
      assert.equal(end.kind, "not-started");
      assert.doesNotMatch(end.message, /[\u0000-\u001f\u007f-\u009f\u202e]/u);
    },
  ),
  {
    name: "a process writes a byte at a time without end",
    behaviour: {
      processes: {
        async *exec() {
          let at = 0n;
          for await (const event of forever(() => output("y", at++))) yield { event: { event } };
        },
        signalProcess: () => ({ delivered: true }),
      },
    },
    call: (client, signal) => client.exec({ argv: ["x"] }, signal).collect(500),
    // By its time, where other floods keep the machine busy.
    outcome: ["limit-exceeded", "timeout"],
  },
  {
    name: "a process says nothing, again and again",
    behaviour: { processes: { exec: () => forever(() => ({})), signalProcess: () => ({ delivered: true }) } },
    call: (client, signal) => client.exec({ argv: ["x"] }, signal).collect(),
    outcome: ["timeout", "malformed"],
  },
  {
    name: "a process never starts, and is not killed either",
    behaviour: {
      processes: {
        exec: (_, { signal }) => silence(signal),
        signalProcess: (_, { signal }) => stalled(signal),
      },
    },
    call: (client, signal) => client.exec({ argv: ["x"] }, signal).collect(),
    outcome: ["timeout"],
  },
  {
    name: "a start is answered with nothing",
    behaviour: { processes: { startProcess: () => ({}) } },
    call: (client) => client.start({ argv: ["x"] }, { timeoutMs: 300 }),
    outcome: ["malformed", "guest-refused", "guest-lost", "timeout"],
  },
  {
    name: "a start is never answered",
    behaviour: { processes: { startProcess: (_, { signal }) => stalled(signal) } },
    call: (client) => client.start({ argv: ["x"] }, { timeoutMs: 300 }),
    outcome: ["timeout"],
  },
  {
    name: "a process has taken more input than was sent",
    behaviour: {
      processes: {
        async *attach(_, { signal }) {
          yield { event: { event: { case: "started", value: { stdinBytes: most, stdinOpen: true } } } };
          yield* silence(signal);
        },
        async writeStdin(requests) {
          for await (const _ of requests);
          return {};
        },
      },
    },
    call: (client, signal) =>
      client.attach("a", { stdin: forever(() => Buffer.alloc(10)), signal }).collect(),
    outcome: ["timeout", "guest-lost", "malformed", "guest-refused"],
  },
  lists("names one as a path", [{ id: "../../etc" }], ["malformed"]),
  lists("names one as nothing", [{ id: "" }], ["malformed"]),
  lists("names one for a terminal", [{ id: nasty }], ["malformed"]),
  lists("has words for a terminal", [{ id: "a", argv: ["x", nasty], pid: 0xffffffff }], (value) => {
    const [only] = value as { argv: string[] }[];
    assert.doesNotMatch(only?.argv.join(" ") ?? "", /[\u0000-\u001f\u007f-\u009f\u202e]/u);
  }),
  lists(
    "is longer than a message may be",
    Array.from({ length: 9 }, () => ({ id: "a", argv: ["y".repeat(200_000)] })),
    ["limit-exceeded", "guest-refused", "guest-lost"],
  ),
];
