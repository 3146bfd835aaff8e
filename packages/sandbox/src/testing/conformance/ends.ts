// How a process ends, in every combination of what ends it, terminal, standard input and connection.

import assert from "node:assert/strict";
import type { Execution } from "../../agent/execution.ts";
import type { EndCause, ProcessEnd, ProcessRequest } from "../../agent/process.ts";
import type { Session, Subject } from "./subject.ts";

type Input = "none" | "open" | "ended" | "unread";
/** "away": the process ends while its reader has no connection. */
type Connection = "kept" | "cut" | "away";

/** What ends a process: its own doing, a signal, its timeout, and what becomes of two of them. */
interface Way {
  /** Run after "ready" is printed. */
  readonly script: string;
  /** Run before it. */
  readonly setup?: string;
  /** Times out; with this grace. */
  readonly graceMs?: number;
  /** Has a timeout that it does not reach. */
  readonly hasTime?: boolean;
  /** What is sent once this word was printed. */
  readonly signal?: {
    readonly at: "ready" | "asked";
    readonly number: number;
    readonly leaderOnly?: boolean;
  };
  readonly end: ProcessEnd;
}

interface Row {
  readonly way: string;
  readonly terminal: boolean;
  readonly input: Input;
  readonly connection: Connection;
}

const exited = (code: number, cause: EndCause): ProcessEnd => ({ kind: "exited", code, cause });
const signalled = (signal: number, cause: EndCause): ProcessEnd => ({ kind: "signalled", signal, cause });
/** A word from its reader lets the process go on: it ends when the row wants it to. */
const awaited = { setup: "trap 'go=1' USR2", signal: { at: "ready", number: 12, leaderOnly: true } } as const;
const untilGone = 'while [ -z "$go" ]; do sleep 0.02; done; ';
const forEver = "while :; do sleep 0.05; done";

const ways: Readonly<Record<string, Way>> = {
  "returns 0": { ...awaited, script: `${untilGone}exit 0`, end: exited(0, "own") },
  "returns 7": { ...awaited, script: `${untilGone}exit 7`, end: exited(7, "own") },
  "returns 7 in time": { ...awaited, script: `${untilGone}exit 7`, hasTime: true, end: exited(7, "own") },
  "kills itself": { ...awaited, script: `${untilGone}kill -SEGV $$`, end: signalled(11, "own") },
  "is signalled": {
    script: "exec sleep 100",
    signal: { at: "ready", number: 10 },
    end: signalled(10, "signalled"),
  },
  "is signalled alone": {
    script: "exec sleep 100",
    signal: { at: "ready", number: 15, leaderOnly: true },
    end: signalled(15, "signalled"),
  },
  "is signalled in time": {
    script: "exec sleep 100",
    hasTime: true,
    signal: { at: "ready", number: 15 },
    end: signalled(15, "signalled"),
  },
  "is killed": { script: forEver, signal: { at: "ready", number: 9 }, end: signalled(9, "signalled") },
  "returns 3 when it is signalled": {
    setup: "trap 'exit 3' TERM",
    script: forEver,
    signal: { at: "ready", number: 15 },
    end: exited(3, "own"),
  },
  "is too slow": { script: "exec sleep 100", graceMs: 60_000, end: signalled(15, "timed-out") },
  "is too slow and returns 3": {
    setup: "trap 'exit 3' TERM",
    script: forEver,
    graceMs: 60_000,
    end: exited(3, "timed-out"),
  },
  "is too slow and will not listen": {
    setup: "trap '' TERM HUP",
    script: forEver,
    graceMs: 100,
    end: signalled(9, "timed-out"),
  },
  "is too slow and has no grace": {
    setup: "trap '' TERM HUP",
    script: forEver,
    graceMs: 0,
    end: signalled(9, "timed-out"),
  },
  "stands still": {
    script: "kill -STOP $$; exit 1",
    graceMs: 60_000,
    end: signalled(15, "timed-out"),
  },
  // The first reason for the end stays the reason.
  "is too slow and then killed": {
    setup: "trap 'echo asked' TERM HUP",
    script: forEver,
    graceMs: 60_000,
    signal: { at: "asked", number: 9 },
    end: signalled(9, "timed-out"),
  },
};

const inputs: readonly Input[] = ["none", "open", "ended", "unread"];
const connections: readonly Connection[] = ["kept", "cut", "away"];

/**
 * Every combination; a terminal whose input nobody reads echoes it, so that it is none of its own. Those that wait for their
 * time to be up stand among the others, which are at work meanwhile.
 */
export const rows: readonly Row[] = [false, true].flatMap((terminal) =>
  inputs
    .filter((input) => !(terminal && input === "unread"))
    .flatMap((input) =>
      connections.flatMap((connection) =>
        Object.keys(ways).map((way) => ({ way, terminal, input, connection })),
      ),
    ),
);

/** So few of the rows that each two values of different columns that meet anywhere meet in one of them. */
export function pairwise(all: readonly Row[] = rows): readonly Row[] {
  const left = new Set(all.flatMap(pairsOf));
  const chosen: Row[] = [];
  while (left.size > 0) {
    const gain = (row: Row): number => pairsOf(row).filter((pair) => left.has(pair)).length;
    const best = all.reduce((a, b) => (gain(b) > gain(a) ? b : a));
    for (const pair of pairsOf(best)) left.delete(pair);
    chosen.push(best);
  }
  return chosen;
}

function pairsOf(row: Row): readonly string[] {
  const values = Object.entries(row).map(([column, value]) => `${column}=${value}`);
  return values.flatMap((value, index) => values.slice(index + 1).map((other) => `${value}, ${other}`));
}

/** What a row is called. */
export function describeRow({ way, terminal, input, connection }: Row): string {
  const over = {
    kept: "over one connection",
    cut: "over a connection that is cut",
    away: "without a connection",
  };
  return `a process that ${way}, ${terminal ? "on a terminal" : "on pipes"}, with input ${input}, ${over[connection]}`;
}

/** Runs a row's process and compares its end, and that its output came once. */
export async function checkRow(subject: Subject, row: Row): Promise<void> {
  const way = ways[row.way];
  assert.ok(way !== undefined);
  await using session = await subject.session();
  const execution = session.client.exec(requestOf(row, way, subject.slowAfterMs));
  let output = "";
  const end = await follow(execution, async (seen, word) => {
    output = seen;
    if (word === "ready") {
      if (row.connection === "away") return leave(subject, session, execution.id, way);
      if (row.connection === "cut") {
        session.cut();
        // A call that is under way at the cut is lost with it: that one comes after.
        await session.client.ping();
      }
    }
    if (row.connection !== "away") await act(execution, way, word);
    return undefined;
  });
  assert.deepEqual(end, way.end, describeRow(row));
  assert.equal(output.split("ready").length, 2, `${describeRow(row)}: ${JSON.stringify(output)}`);
}

/** Reads a process to its end, and tells of each word that it knows when it has come. */
async function follow(
  execution: Execution,
  onOutput: (seen: string, word: "ready" | "asked" | undefined) => Promise<void>,
): Promise<ProcessEnd> {
  const steps = execution[Symbol.asyncIterator]();
  const awaitedWords = new Set(["ready", "asked"] as const);
  let seen = "";
  for (let step = await steps.next(); ; step = await steps.next()) {
    if (step.done === true) return step.value;
    assert.notEqual(step.value.kind, "lost");
    if (step.value.kind !== "lost") seen += Buffer.from(step.value.bytes).toString();
    const come = [...awaitedWords].filter((word) => seen.includes(word));
    if (come.length === 0) await onOutput(seen, undefined);
    for (const word of come) {
      awaitedWords.delete(word);
      await onOutput(seen, word);
    }
  }
}

async function act(execution: Execution, { signal }: Way, word: string | undefined): Promise<void> {
  if (signal === undefined || signal.at !== word) return;
  const { number, leaderOnly = false } = signal;
  assert.equal(await execution.kill(number, { leaderOnly }), true);
}

/** Cuts the connection, and lets it be opened again once the process has ended before another one's eyes. */
async function leave(subject: Subject, session: Session, id: string, way: Way): Promise<void> {
  const ended = Promise.withResolvers<undefined>();
  session.leaveUntil(ended.promise);
  try {
    await using other = await subject.session();
    const watched = other.client.attach(id, { passive: true });
    const end = await follow(watched, async (_, word) => act(watched, way, word));
    assert.deepEqual(end, way.end);
  } finally {
    ended.resolve(undefined);
  }
}

function requestOf({ terminal, input }: Row, way: Way, slowAfterMs: number): ProcessRequest {
  const { setup, script, graceMs, hasTime = false } = way;
  return {
    argv: ["/bin/sh", "-c", `${setup === undefined ? "" : `${setup}; `}echo ready; ${script}`],
    ...(graceMs === undefined ? {} : { timeoutMs: slowAfterMs, killGraceMs: graceMs }),
    ...(hasTime ? { timeoutMs: 100_000 } : {}),
    ...(terminal ? { terminal: { rows: 24, columns: 80 } } : {}),
    ...stdinOf(input),
  };
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
