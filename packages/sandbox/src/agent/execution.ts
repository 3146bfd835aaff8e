// One process in the guest, as its reader has it: output to iterate, an end, signals and a terminal's size.

import { KelpieError } from "@kelpie/platform";
import { callGuest, type CallOptions } from "./call-guest.ts";
import { SignalTarget } from "./gen/kelpie/agent/v1/process_pb.ts";
import { guestError } from "./guest-error.ts";
import { isOutput, type ProcessEnd, type ProcessOutput, readProcessEvent } from "./process.ts";
import { type FollowOptions, type OutputOffsets, ProcessFollower } from "./process-events.ts";

const signalKill = 9;

/** Everything a process wrote, and how it ended. */
export interface ExecutionResult {
  readonly stdout: Uint8Array;
  readonly stderr: Uint8Array;
  readonly end: ProcessEnd;
}

/**
 * A process in the guest. Iterate it for its output as it comes: the iterator's return value is how it ended, and a slow
 * reader slows the process. Or {@link collect} everything. Either can be done once. Leaving the loop kills a process
 * that it started, unless that `outlivesReader`. A connection that is lost in between is opened again, and nothing of
 * the output, the input or the end is missing.
 */
export class Execution implements AsyncIterable<ProcessOutput, ProcessEnd> {
  /** The process's name in the guest, for attaching to it. */
  readonly id: string;
  readonly #options: FollowOptions;
  readonly #follower: ProcessFollower;
  readonly #signal: AbortSignal;

  constructor(options: FollowOptions, signal: AbortSignal) {
    this.id = options.id;
    this.#options = options;
    this.#follower = new ProcessFollower(options);
    this.#signal = signal;
  }

  /** How many bytes of each stream have come: where to attach again. */
  get offsets(): OutputOffsets {
    return this.#follower.offsets;
  }

  /** Starts the process. `guest-lost`, `guest-refused`, `malformed`, or the signal's reason. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ProcessOutput, ProcessEnd> {
    const finished = new AbortController();
    const signal = AbortSignal.any([this.#signal, finished.signal]);
    let end: ProcessEnd | undefined;
    try {
      for await (const event of this.#follower.events(signal)) {
        const step = readProcessEvent(event);
        if (step === undefined) continue;
        if (!isOutput(step)) {
          end = step;
          break;
        }
        yield step;
      }
    } catch (error) {
      throw guestError(this.#what, error, this.#signal);
    } finally {
      finished.abort();
      if (end === undefined && this.#diesWithReader) await this.#endUnread();
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
        throw new KelpieError("limit-exceeded", `The guest failed to ${this.#what}: it wrote too much`, {
          expected: `at most ${limitBytes} bytes`,
        });
      }
      chunks[step.value.kind].push(step.value.bytes);
    }
  }

  /** Sends a signal to the process's group, or to its leader alone; false where there is nobody to get it. */
  async kill(number: number, options: CallOptions & { leaderOnly?: boolean } = {}): Promise<boolean> {
    const { processes } = this.#options;
    const target = options.leaderOnly === true ? SignalTarget.LEADER : SignalTarget.GROUP;
    const request = { id: this.id, signal: { number, target } };
    const call = (signal: AbortSignal): Promise<{ delivered: boolean }> =>
      processes.signalProcess(request, { signal });
    return (await callGuest(this.#options, `signal the process ${this.id}`, options, call)).delivered;
  }

  /** Tells the process's terminal its size in characters. */
  async resize(rows: number, columns: number, options: CallOptions = {}): Promise<void> {
    const { processes } = this.#options;
    const request = { id: this.id, size: { rows, columns } };
    const call = (signal: AbortSignal): Promise<unknown> => processes.resizeTerminal(request, { signal });
    await callGuest(this.#options, `resize the terminal of ${this.id}`, options, call);
  }

  get #what(): string {
    const { target, id } = this.#options;
    return target.kind === "start" ? `run ${target.request.argv[0]}` : `attach to the process ${id}`;
  }

  get #diesWithReader(): boolean {
    const { target } = this.#options;
    return target.kind === "start" && target.request.outlivesReader !== true;
  }

  /** Best effort: whoever asks for this does not want the process any more, or has lost the guest. */
  async #endUnread(): Promise<void> {
    await this.kill(signalKill, { timeoutMs: 1000 }).catch(() => undefined);
  }
}

const notAwaited: ProcessEnd = { kind: "signalled", signal: signalKill, cause: "signalled" };
