// One step of a build as a process of its own group: its lines to whoever watches, its last words into the error.

import { createInterface } from "node:readline";
import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import { KelpieError, type Platform } from "@kelpie/platform";

export interface BuildStep {
  /** For errors: "Compiling the kernel". */
  readonly what: string;
  readonly program: string;
  readonly args: readonly string[];
  /** The whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Bytes for its standard input. */
  readonly input?: AsyncIterable<Uint8Array>;
  /** Takes what it says on either stream, line by line. */
  readonly onLine?: (line: string) => void;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const keptLines = 40;
const maxLineLength = 2000;

/** @throws KelpieError `process-failed` with the end of what it said, `missing-tool`, `timeout`, `cancelled`. */
export async function runStep(
  { clock, processes }: Pick<Platform, "clock" | "processes">,
  { what, program, args, environment, cwd, input, onLine = () => undefined, timeoutMs, signal }: BuildStep,
): Promise<void> {
  using deadline = clock.deadline(timeoutMs, what);
  const stop = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
  await using child = await processes.spawn(program, args, {
    cwd,
    env: environment,
    stdin: input === undefined ? "ignore" : "pipe",
    ownGroup: true,
    signal: stop,
  });
  const tail: string[] = [];
  const follow = async (stream: Readable | undefined): Promise<void> => {
    if (stream === undefined) return;
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      const text = line.trimEnd().slice(0, maxLineLength);
      if (tail.push(text) > keptLines) tail.shift();
      onLine(text);
    }
  };
  const { stdin } = child;
  const feed = input === undefined || stdin === undefined ? undefined : pipeline(input, stdin);
  // A reader that ends early says why by its exit; what could not be read of the input is said here.
  const fed = feed?.then(
    () => undefined,
    (error: unknown) => (KelpieError.is(error) ? error : undefined),
  );
  await Promise.all([follow(child.stdout), follow(child.stderr)]);
  const exit = await child.exit;
  stop.throwIfAborted();
  const unread = await fed;
  if (unread !== undefined) throw unread;
  if (exit.kind === "exited" && exit.code === 0) return;
  throw new KelpieError("process-failed", `${what} failed`, {
    expected: "exit code 0",
    found: `${exit.kind === "exited" ? `exit code ${exit.code}` : exit.signal}\n${tail.join("\n")}`,
    where: `${program} ${args.join(" ")}`,
  });
}
