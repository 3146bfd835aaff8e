// Every public method that calls the agent: none waits for ever, none lets Connect's errors out, and what is not the same
// twice is asked for once, whatever is lost.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConnectError } from "@connectrpc/connect";
import { KelpieError, type KelpieErrorCode, realPlatform } from "@kelpie/platform";
import { sandboxHealth } from "../lifecycle/sandbox-health.ts";
import { listProcesses } from "../lifecycle/sandbox-processes.ts";
import type { Sandbox } from "../lifecycle/sandbox.ts";
import { type CallFate, playAgent } from "../testing/fake-agent.ts";
import { AgentClient } from "./agent-client.ts";
import type { CallOptions } from "./call-guest.ts";
import { Execution } from "./execution.ts";
import { GuestFiles } from "./guest-files.ts";

interface Row {
  readonly call: (client: AgentClient, options: CallOptions & { signal: AbortSignal }) => Promise<unknown>;
  /** How often it is asked for while each time its session is lost: again is for what is the same twice. */
  readonly repeats: "once" | "again";
  /** Whether `timeoutMs` bounds it; else the signal alone does. */
  readonly hasDeadline: boolean;
}

/** For a call that is repeated as long as it may be: two tries take a busy machine a while. */
const lossesMs = 4000;
const bytes = Buffer.from("x");
const one = (repeats: Row["repeats"], call: Row["call"]): Row => ({ call, repeats, hasDeadline: true });
const bySignal = (repeats: Row["repeats"], call: Row["call"]): Row => ({ call, repeats, hasDeadline: false });
/** No calls: they make an object, open the session, or are given the call. */
const noCalls = ["constructor", "attach", "exec", "connect", "call"];

const ofClient: Readonly<Record<string, Row>> = {
  ping: one("again", (client, options) => client.ping(options)),
  waitUntilReady: bySignal("again", (client, { signal }) => client.waitUntilReady(signal)),
  info: one("again", (client, options) => client.info(options)),
  health: one("again", (client, options) => client.health(options)),
  bootTimeMs: one("again", (client, options) => client.bootTimeMs(options)),
  listProcesses: one("again", (client, options) => client.listProcesses(options)),
  start: one("again", (client, options) => client.start({ argv: ["x"] }, options)),
  resume: one("once", (client, options) => client.resume({ entropy: bytes }, options)),
  shutdown: one("once", (client, options) => client.shutdown(options)),
};

const ofExecution: Readonly<Record<string, Row>> = {
  kill: one("once", (client, options) => client.attach("p").kill(9, options)),
  resize: one("once", (client, options) => client.attach("p").resize(1, 2, options)),
  collect: bySignal("again", (client, { signal }) => client.exec({ argv: ["x"] }, signal).collect()),
};

const ofFiles: Readonly<Record<string, Row>> = {
  stat: one("once", ({ files }, options) => files.stat("/x", options)),
  mkdir: one("once", ({ files }, options) => files.mkdir("/x", options)),
  remove: one("once", ({ files }, options) => files.remove("/x", options)),
  rename: one("once", ({ files }, options) => files.rename("/x", "/y", options)),
  setAttributes: one("once", ({ files }, options) => files.setAttributes("/x", {}, options)),
  symlink: one("once", ({ files }, options) => files.symlink("x", "/y", options)),
  list: bySignal("once", ({ files }, { signal }) => Array.fromAsync(files.list("/x", { signal }))),
  read: bySignal("once", ({ files }, { signal }) => Array.fromAsync(files.read("/x", { signal }))),
  readAll: bySignal("once", ({ files }, { signal }) => files.readAll("/x", 100, signal)),
  write: bySignal("once", ({ files }, { signal }) => files.write("/x", bytes, { signal, mode: "append" })),
  tarIn: bySignal("once", ({ files }, { signal }) => files.tarIn("/x", bytes, { signal })),
  tarOut: bySignal("once", ({ files }, { signal }) => Array.fromAsync(files.tarOut("/x", { signal }))),
  watch: bySignal("once", ({ files }, { signal }) => Array.fromAsync(files.watch("/x", { signal }))),
};

const sandboxOf = (agent: AgentClient): Sandbox => ({ agent }) as unknown as Sandbox;
const ofSandbox: Readonly<Record<string, Row>> = {
  sandboxHealth: bySignal("again", (client, { signal }) => sandboxHealth(sandboxOf(client), signal)),
  listProcesses: bySignal("again", (client, { signal }) => listProcesses(sandboxOf(client), signal)),
};

for (const [{ name, prototype }, table] of [
  [AgentClient, ofClient],
  [Execution, ofExecution],
  [GuestFiles, ofFiles],
] as const) {
  test(`every method of ${name} has its row here`, () => {
    const isMethod = (key: string): boolean =>
      typeof Object.getOwnPropertyDescriptor(prototype, key)?.value === "function";
    const methods = Object.getOwnPropertyNames(prototype).filter(isMethod);
    assert.deepEqual(methods.filter((key) => !noCalls.includes(key)).sort(), Object.keys(table).sort());
  });
}

/** Makes the call of an agent who treats every call so. Returns what it fails with, and how often it arrived. */
async function meet(
  row: Row,
  fate: CallFate,
  options: CallOptions,
): Promise<{ error: KelpieError; arrivals: number }> {
  let arrivals = 0;
  await using agent = playAgent({
    fate(path) {
      // That a process whose reader leaves is killed is a call of its own.
      if (row === ofExecution["kill"] || !path.endsWith("/SignalProcess")) arrivals++;
      return fate;
    },
  });
  const signal = options.signal ?? AbortSignal.timeout(20_000);
  const error: unknown = await row.call(agent.client, { ...options, signal }).then(
    () => "nothing",
    (reason: unknown) => reason,
  );
  assert.ok(!(error instanceof ConnectError), String(error));
  assert.ok(KelpieError.is(error), String(error));
  return { error, arrivals };
}

function isOneOf({ code, message }: KelpieError, codes: readonly KelpieErrorCode[]): void {
  assert.ok(codes.includes(code), `${code}: ${message}`);
}

const tables = { AgentClient: ofClient, Execution: ofExecution, GuestFiles: ofFiles, Sandbox: ofSandbox };
const rows = Object.entries(tables).flatMap(([of, table]) =>
  Object.entries(table).map(([method, row]) => [`${of}.${method}`, row] as const),
);

describe("a call", { concurrency: true }, () => {
  for (const [name, row] of rows) {
    test(`${name} ends at its signal where the agent is silent`, async () => {
      const { error } = await meet(row, "silence", { signal: AbortSignal.timeout(100) });
      isOneOf(error, ["cancelled", "timeout"]);
    });

    if (row.hasDeadline) {
      test(`${name} ends in its time where the agent is silent`, async () => {
        const { error } = await meet(row, "silence", { timeoutMs: 100 });
        isOneOf(error, ["timeout"]);
      });
    }

    test(`${name} says what the agent refuses`, async () => {
      const { error } = await meet(row, "refusal", {});
      isOneOf(error, ["guest-refused"]);
    });

    test(`${name} is asked for ${row.repeats} where its session is lost`, async () => {
      const options = { timeoutMs: lossesMs, signal: AbortSignal.timeout(lossesMs) };
      const { error, arrivals } = await meet(row, "cut", options);
      isOneOf(error, ["guest-lost", "timeout", "cancelled"]);
      assert.ok(row.repeats === "once" ? arrivals === 1 : arrivals > 1, `${arrivals} times`);
    });
  }
});

test("a time longer than the usual one holds also while the agent has to be reached first", async () => {
  let opened = 0;
  const open = (signal: AbortSignal): Promise<never> => {
    opened++;
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(new Error("left"))));
  };
  const { clock } = realPlatform;
  // Time passes a hundred times as fast.
  const hurried = { ...clock, deadline: (ms: number, what: string) => clock.deadline(ms / 100, what) };
  await using client = new AgentClient({ ...realPlatform, clock: hurried, open });
  const startMs = performance.now();
  await assert.rejects(
    client.ping({ timeoutMs: 30_000 }),
    (error) => KelpieError.is(error) && error.code === "timeout",
  );
  assert.ok(performance.now() - startMs >= 290);
  assert.equal(opened, 1);
});
