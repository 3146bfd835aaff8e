// Runs cargo for one program of the guest.

import { createInterface } from "node:readline";
import { KelpieError, type Platform } from "@kelpie/platform";

export interface CargoBuild {
  readonly program: string;
  readonly args: readonly string[];
  /** Cargo's whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The workspace. */
  readonly cwd: string;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

const timeoutMs = 1_800_000;
const keptLines = 40;
const maxLineLength = 2000;

/** @throws KelpieError `process-failed` with the end of what cargo said, `timeout`, `cancelled`. */
export async function runCargo(
  { clock, processes }: Pick<Platform, "clock" | "processes">,
  { program, args, environment, cwd, onProgress, signal }: CargoBuild,
): Promise<void> {
  using deadline = clock.deadline(timeoutMs, "Compiling the guest");
  const stop = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
  await using child = await processes.spawn(program, args, {
    cwd,
    env: environment,
    stdout: "ignore",
    stderr: "pipe",
    ownGroup: true,
    signal: stop,
  });
  const tail: string[] = [];
  if (child.stderr !== undefined) {
    for await (const line of createInterface({ input: child.stderr, crlfDelay: Infinity })) {
      const text = line.trim().slice(0, maxLineLength);
      if (tail.push(text) > keptLines) tail.shift();
      if (/^(?:Compiling|Downloading|Updating) /.test(text)) onProgress(text);
    }
  }
  const exit = await child.exit;
  stop.throwIfAborted();
  if (exit.kind === "exited" && exit.code === 0) return;
  throw new KelpieError("process-failed", "The guest's programs could not be compiled", {
    expected: "exit code 0",
    found: `${exit.kind === "exited" ? `exit code ${exit.code}` : exit.signal}\n${tail.join("\n")}`,
    where: `cargo ${args.join(" ")}`,
  });
}
