// How a process ends, in every combination of cause, terminal, standard input and connection.

import assert from "node:assert/strict";
import type { EndCause, ProcessEnd, ProcessRequest } from "../../agent/process.ts";
import type { Subject } from "./subject.ts";

type Cause = "returns 0" | "returns 7" | "kills itself" | "is signalled" | "is too slow" | "will not listen";
type Input = "none" | "open" | "ended" | "unread";

interface Row {
  readonly cause: Cause;
  readonly terminal: boolean;
  readonly input: Input;
  readonly isCut: boolean;
}

const causes: readonly Cause[] = [
  "returns 0",
  "returns 7",
  "kills itself",
  "is signalled",
  "is too slow",
  "will not listen",
];
const inputs: readonly Input[] = ["none", "open", "ended", "unread"];

/** Every combination; a terminal whose input nobody reads echoes it, so that it is none of its own. */
export const rows: readonly Row[] = causes.flatMap((cause) =>
  [false, true].flatMap((terminal) =>
    inputs
      .filter((input) => !(terminal && input === "unread"))
      .flatMap((input) => [false, true].map((isCut) => ({ cause, terminal, input, isCut }))),
  ),
);

/** What a row is called. */
export function describeRow({ cause, terminal, input, isCut }: Row): string {
  const connection = isCut ? "over a connection that is cut" : "over one connection";
  return `a process that ${cause}, ${terminal ? "on a terminal" : "on pipes"}, with input ${input}, ${connection}`;
}

const scripts: Readonly<Record<Cause, string>> = {
  "returns 0": "sleep 0.1; exit 0",
  "returns 7": "sleep 0.1; exit 7",
  "kills itself": "sleep 0.1; kill -SEGV $$",
  "is signalled": "exec sleep 100",
  "is too slow": "exec sleep 100",
  "will not listen": "while :; do sleep 0.05; done",
};

const exited = (code: number): ProcessEnd => ({ kind: "exited", code, cause: "own" });
const signalled = (signal: number, cause: EndCause): ProcessEnd => ({ kind: "signalled", signal, cause });
const ends: Readonly<Record<Cause, ProcessEnd>> = {
  "returns 0": exited(0),
  "returns 7": exited(7),
  "kills itself": signalled(11, "own"),
  "is signalled": signalled(10, "signalled"),
  "is too slow": signalled(15, "timed-out"),
  "will not listen": signalled(9, "timed-out"),
};

/** Long enough for shells that start together to begin in an emulated guest of a busy host. */
const slowAfterMs = 3000;

/** Runs a row's process and compares its end, and that its output came once. */
export async function checkRow(subject: Subject, row: Row): Promise<void> {
  await using session = await subject.session();
  const isDeaf = row.cause === "will not listen";
  const isTimed = isDeaf || row.cause === "is too slow";
  const request: ProcessRequest = {
    argv: ["/bin/sh", "-c", `${isDeaf ? "trap '' TERM HUP; " : ""}echo ready; ${scripts[row.cause]}`],
    ...(isTimed ? { timeoutMs: slowAfterMs, killGraceMs: 100 } : {}),
    ...(row.terminal ? { terminal: { rows: 24, columns: 80 } } : {}),
    ...stdinOf(row.input),
  };
  const execution = session.client.exec(request);
  const steps = execution[Symbol.asyncIterator]();
  let output = "";
  let isReady = false;
  let step = await steps.next();
  for (; step.done !== true; step = await steps.next()) {
    assert.notEqual(step.value.kind, "lost", describeRow(row));
    if (step.value.kind !== "lost") output += Buffer.from(step.value.bytes).toString();
    if (isReady || !output.includes("ready")) continue;
    isReady = true;
    if (row.isCut) {
      session.cut();
      // A call that is under way at the cut is lost with it: that one comes after.
      await session.client.ping();
    }
    if (row.cause === "is signalled") assert.equal(await execution.kill(10), true, describeRow(row));
  }
  assert.deepEqual(step.value, ends[row.cause], describeRow(row));
  assert.equal(output.split("ready").length, 2, `${describeRow(row)}: ${JSON.stringify(output)}`);
}

function stdinOf(input: Input): { stdin?: AsyncIterable<Uint8Array> } {
  switch (input) {
    case "none":
      return {};
    case "open":
      return { stdin: pieces(0, true) };
    case "ended":
      return { stdin: pieces(1, false) };
    case "unread":
      return { stdin: pieces(40, true) };
    default:
      return input satisfies never;
  }
}

async function* pieces(count: number, staysOpen: boolean): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield await Promise.resolve(Buffer.alloc(count === 1 ? 2 : 50_000, "x\n"));
  if (staysOpen) await new Promise<never>(() => undefined);
}
