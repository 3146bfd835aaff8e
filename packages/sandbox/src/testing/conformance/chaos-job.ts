// What is run in chaos, and what must come of it: its output is numbered, so that what is missing, doubled or swapped shows.

import type { AgentClient } from "../../agent/agent-client.ts";
import type { ExecutionResult } from "../../agent/execution.ts";

/** A process to run: each of its runs writes its name into the book. */
export interface Job {
  readonly name: string;
  readonly code: number;
  readonly output: Buffer;
  readonly run: (client: AgentClient, signal: AbortSignal) => Promise<ExecutionResult>;
}

/** A job that `random` chooses: one that writes, one that is fed, or one that is started and attached to later. */
export function chooseJob(name: string, book: string, random: () => number): Job {
  const code = Math.trunc(random() * 200);
  const lines = Math.trunc(random() ** 2 * 17_000);
  const output = Buffer.from(Array.from({ length: lines }, (_, index) => `${index + 1}\n`).join(""));
  const kind = random();
  const pause = `sleep 0.0${Math.trunc(random() * 9)}`;
  const script = (work: string) =>
    ["/bin/sh", "-c", `echo ${name} >>${book}; ${work}; ${pause}; exit ${code}`] as const;
  const job = { name, code, output };
  if (kind < 0.25) {
    const argv = script("cat");
    return {
      ...job,
      run: (client, signal) => client.exec({ argv, stdin: inPieces(output, 10_000) }, signal).collect(),
    };
  }
  const argv = script(lines === 0 ? ":" : `seq 1 ${lines}`);
  if (kind < 0.4)
    return {
      ...job,
      async run(client, signal) {
        const started = await client.start({ argv }, { signal, timeoutMs: startWithinMs });
        if (!("id" in started)) return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), end: started };
        return await client.attach(started.id, { signal }).collect();
      },
    };
  return { ...job, run: (client, signal) => client.exec({ argv }, signal).collect() };
}

/** What is wrong with how a job ended; undefined where nothing is. */
export function judge(
  { name, code, output }: Job,
  { stdout, stderr, end }: ExecutionResult,
): string | undefined {
  const ended = JSON.stringify(end);
  if (ended !== JSON.stringify({ kind: "exited", code, cause: "own" }))
    return `${name} ended as ${ended}, not ${code}`;
  if (stderr.length > 0) return `${name} wrote to stderr: ${Buffer.from(stderr.subarray(0, 200)).toString()}`;
  if (output.equals(stdout)) return undefined;
  const at = output.findIndex((byte, index) => byte !== stdout[index]);
  const found = JSON.stringify(Buffer.from(stdout.subarray(at, at + 60)).toString("latin1"));
  return `${name} wrote ${stdout.length} bytes of ${output.length}, from ${at} on ${found}`;
}

const startWithinMs = 60_000;

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield await Promise.resolve(bytes.subarray(at, at + size));
}
