// probe.py running in a guest: asked a line at a time.

import { PassThrough } from "node:stream";
import { z } from "zod";
import { KelpieError } from "@kelpie/platform";
import type { Sandbox } from "../../lifecycle/sandbox.ts";
import { readLines } from "../../qmp/lines.ts";

const answerLimitBytes = 64 << 10;
const answerSchema = z.union([z.string(), z.strictObject({ note: z.string() })]);

/** See the head of this file. */
export interface GuestProbe extends AsyncDisposable {
  /** Has `probe` tried in `directory`, and returns what it saw. */
  ask(directory: string, probe: string, args: readonly unknown[]): Promise<string>;
}

/** Starts one. `onNote` is told what it measures. */
export function startProbe(sandbox: Sandbox, program: string, onNote: (note: string) => void): GuestProbe {
  const stdin = new PassThrough();
  const execution = sandbox.exec({ argv: ["python3", "-u", program], stdin, timeoutMs: 600_000 });
  const errors: Uint8Array[] = [];
  async function* stdout(): AsyncGenerator<Uint8Array> {
    for await (const output of execution) {
      if (output.kind === "stdout") yield output.bytes;
      else if (output.kind === "stderr") errors.push(output.bytes);
    }
  }
  const lines = readLines(stdout(), answerLimitBytes);
  const read = async (): Promise<string> => {
    for (;;) {
      const line = await lines.next();
      if (line.done === true) {
        throw new KelpieError("guest-lost", "The probe ended", { found: Buffer.concat(errors).toString() });
      }
      const answer = answerSchema.parse(JSON.parse(line.value));
      if (typeof answer === "string") return answer;
      onNote(answer.note);
    }
  };
  return {
    ask: (directory, probe, args) => {
      stdin.write(`${JSON.stringify([probe, directory, ...args])}\n`);
      return read();
    },
    [Symbol.asyncDispose]: async () => {
      stdin.end();
      await lines.return(undefined);
    },
  };
}
