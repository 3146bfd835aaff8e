// Where the time of `kelpie run` goes, for `--timing`.

import type { GuestStart } from "@kelpie/sandbox";
import type { CommandContext } from "../command.ts";

/** Prints each step's time to stderr, beginning with that from the start of this process. */
export class RunTiming {
  readonly #context: Pick<CommandContext, "platform" | "terminal">;
  #sinceMs: number;

  constructor(context: Pick<CommandContext, "platform" | "terminal">) {
    this.#context = context;
    this.#sinceMs = performance.timeOrigin;
    this.mark("start Node and find image");
  }

  /** Ends a step, which began where the one before ended. */
  mark(step: string): void {
    const nowMs = this.#context.platform.clock.nowMs();
    this.#print(step, nowMs - this.#sinceMs);
    this.#sinceMs = nowMs;
  }

  /** The steps of a sandbox's start, and what came before them: its directory, and the monitor that was looked for. */
  started({ kind, phases }: GuestStart): void {
    const nowMs = this.#context.platform.clock.nowMs();
    const startMs = phases.reduce((sum, { durationMs }) => sum + durationMs, 0);
    this.#print("prepare", Math.max(0, nowMs - this.#sinceMs - startMs));
    for (const { name, durationMs } of phases) this.#print(`${kind}: ${name}`, durationMs);
    this.#sinceMs = nowMs;
  }

  #print(step: string, durationMs: number): void {
    const milliseconds = `${durationMs.toFixed(1)} ms`;
    this.#context.terminal.stderr.write(`kelpie: ${milliseconds.padStart(10)}  ${step}\n`);
  }
}
