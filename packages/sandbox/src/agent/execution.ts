// One process in the guest: fed and read through a single stream, which paces it in both directions.

import { create } from "@bufbuild/protobuf";
import type { Client } from "@connectrpc/connect";
import { KelpieError } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import {
  type ExecRequest,
  ExecRequestSchema,
  type ProcessService,
  SignalTarget,
} from "./gen/kelpie/agent/v1/process_pb.ts";
import { guestError } from "./guest-error.ts";
import {
  isOutput,
  type ProcessEnd,
  type ProcessOutput,
  type ProcessRequest,
  processSpec,
  readProcessEvent,
} from "./process.ts";

/** What the agent takes in one message (process.proto, `ExecRequest.stdin`). */
const stdinChunkBytes = 64 << 10;
const signalKill = 9;

/** Everything a process wrote, and how it ended. */
export interface ExecutionResult {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly end: ProcessEnd;
}

/**
 * A process in the guest. Iterate it for its output as it comes: the iterator's return value is how it ended, a slow
 * reader slows the process, and leaving the loop kills it. Or {@link collect} everything. Either can be done once.
 */
export class Execution implements AsyncIterable<ProcessOutput, ProcessEnd> {
  readonly #processes: Client<typeof ProcessService>;
  readonly #id: string;
  readonly #request: ProcessRequest;
  readonly #signal: AbortSignal;

  /** `id` names the process in the guest. */
  constructor(
    processes: Client<typeof ProcessService>,
    id: string,
    request: ProcessRequest,
    signal: AbortSignal,
  ) {
    this.#processes = processes;
    this.#id = id;
    this.#request = request;
    this.#signal = signal;
  }

  /** Starts the process. `guest-lost`, `guest-refused`, `malformed`, or the signal's reason. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ProcessOutput, ProcessEnd> {
    const finished = new AbortController();
    const signal = AbortSignal.any([this.#signal, finished.signal]);
    let end: ProcessEnd | undefined;
    try {
      for await (const { event } of this.#processes.exec(this.#requests(signal), { signal })) {
        const step = event === undefined ? undefined : readProcessEvent(event);
        if (step === undefined) continue;
        if (!isOutput(step)) {
          end = step;
          break;
        }
        yield step;
      }
    } catch (error) {
      throw guestError(`run ${this.#request.argv[0]}`, error, this.#signal);
    } finally {
      finished.abort();
      if (end === undefined) await this.#kill();
    }
    if (end === undefined) throw new KelpieError("guest-lost", "The guest did not say how the process ended");
    return end;
  }

  /** Runs the process to its end; `limit-exceeded` if it writes more than `limitBytes` in all. */
  async collect(limitBytes = 64 << 20): Promise<ExecutionResult> {
    const chunks = { stdout: new Array<Uint8Array>(), stderr: new Array<Uint8Array>() };
    let size = 0;
    const events = this[Symbol.asyncIterator]();
    for (let step = await events.next(); ; step = await events.next()) {
      if (step.done === true) {
        const { stdout, stderr } = chunks;
        return { stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr), end: step.value };
      }
      if (step.value.kind === "lost") continue;
      size += step.value.bytes.length;
      if (size > limitBytes) {
        await events.return(notAwaited);
        throw new KelpieError("limit-exceeded", `${this.#request.argv[0]} wrote too much`, {
          expected: `at most ${limitBytes} bytes`,
        });
      }
      chunks[step.value.kind].push(step.value.bytes);
    }
  }

  /** The requests of the stream: start, then stdin until it ends or `stop` aborts. */
  async *#requests(stop: AbortSignal): AsyncGenerator<ExecRequest> {
    const start = { id: this.#id, spec: processSpec(this.#request) };
    yield create(ExecRequestSchema, { request: { case: "start", value: start } });
    const input = this.#request.stdin?.[Symbol.asyncIterator]();
    if (input === undefined) return;
    try {
      for (;;) {
        const step = await orAborted(input.next(), stop);
        if (step.done === true) return;
        for (let at = 0; at < step.value.length; at += stdinChunkBytes) {
          const value = step.value.subarray(at, at + stdinChunkBytes);
          yield create(ExecRequestSchema, { request: { case: "stdin", value } });
        }
      }
    } catch (error) {
      if (!stop.aborted) throw error;
    } finally {
      // Not awaited: a source that waits for a person's next line cannot be called off, only told.
      void Promise.resolve(input.return?.()).catch(() => undefined);
    }
  }

  /** Best effort: whoever asks for this does not want the process any more, or has lost the guest. */
  async #kill(): Promise<void> {
    const signal = { number: signalKill, target: SignalTarget.GROUP };
    await this.#processes.signalProcess({ id: this.#id, signal }, { timeoutMs: 1000 }).catch(() => undefined);
  }
}

const notAwaited: ProcessEnd = { kind: "signalled", signal: signalKill, cause: "signalled" };
