// A process's output on its way to the streams of a command here.

import type { Writable } from "node:stream";
import type { Execution } from "../agent/execution.ts";
import { exitCodeOf, outputClosed } from "./exit-code.ts";
import { writeOutput } from "./write-output.ts";

/** Where a command's output goes. */
export interface RunOutput {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

/** Passes output on as it comes; the process in the guest waits for a reader who is slow here. */
export async function forwardOutput(execution: Execution, output: RunOutput): Promise<number> {
  const steps = execution[Symbol.asyncIterator]();
  for (let step = await steps.next(); ; step = await steps.next()) {
    if (step.done === true) {
      const end = step.value;
      if (end.kind === "not-started") await writeOutput(output.stderr, ownLine(end.message));
      return exitCodeOf(end);
    }
    const wasTaken =
      step.value.kind === "lost"
        ? await writeOutput(
            output.stderr,
            ownLine(`${step.value.sizeBytes} bytes of ${step.value.stream} were lost`),
          )
        : await writeOutput(output[step.value.kind], step.value.bytes);
    if (!wasTaken) {
      await steps.return({ kind: "signalled", signal: 13, cause: "own" });
      return outputClosed;
    }
  }
}

/** A line of ours among a command's output. */
export function ownLine(message: string): Uint8Array {
  return Buffer.from(`kelpie: ${message}\n`);
}
