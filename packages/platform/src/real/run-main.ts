// The frame of a program: its streams, its signals, its exit code.

import { KelpieError } from "../errors.ts";
import type { Terminal } from "../terminal.ts";
import { realKeys, SignalTaker } from "./terminal-keys.ts";

/** The program itself. The returned number is its exit code. */
export type Main = (args: readonly string[], terminal: Terminal, signal: AbortSignal) => Promise<number>;

/** Signals that ask a program to end; the conventional exit code is 128 plus the number. */
const endingSignals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

const lostOutputCode = 1;
/** Of a program whose last promise is never settled, and so ends without a word: a defect. */
const unsettledCode = 70;

/** A supervisor may signal the process and its group: what comes together asks once, and leaves time to clean up. */
const sameRequestMs = 300;

/**
 * Runs a program to its end. A first SIGINT, SIGTERM or SIGHUP aborts the signal that `main` got, so that it can clean up;
 * a second ends the process at once. Output whose reader has gone (`kelpie images list | head -1`) is no error.
 */
export async function runMain(main: Main): Promise<void> {
  process.exitCode = unsettledCode;
  const controller = new AbortController();
  let received: number | undefined;
  let receivedMs = 0;
  const signals = new SignalTaker();
  for (const [name, number] of Object.entries(endingSignals)) {
    process.on(name, () => {
      if (signals.isTaken) return;
      if (received !== undefined && performance.now() - receivedMs < sameRequestMs) return;
      if (received !== undefined) process.exit(128 + number);
      received = number;
      receivedMs = performance.now();
      controller.abort(new KelpieError("cancelled", `Ended by ${name}`));
    });
  }
  const output = { isLost: false };
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      const isUnread = error.code === "EPIPE";
      if (!isUnread && !output.isLost) {
        output.isLost = true;
        process.stderr.write(`kelpie: The output cannot be written: ${error.message}\n`);
      }
      controller.abort(
        new KelpieError("cancelled", isUnread ? "Nobody reads the output" : "The output is lost"),
      );
    });
  }
  const { stdin, stdout, stderr } = process;
  const isTerminal = { stdin: stdin.isTTY, stdout: stdout.isTTY, stderr: stderr.isTTY };
  const terminal: Terminal = {
    stdin,
    stdout,
    stderr,
    isTerminal,
    columns: stderr.isTTY ? stderr.columns : undefined,
    keys: realKeys(signals),
  };
  const code = await main(process.argv.slice(2), terminal, controller.signal);
  // A write that failed tells of it after `main` may have ended.
  await new Promise((resolve) => setImmediate(resolve));
  process.exitCode = received === undefined ? (output.isLost ? lostOutputCode : code) : 128 + received;
  // A stdin that was read from and never ended would hold the process.
  stdin.destroy();
}
