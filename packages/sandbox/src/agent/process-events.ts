// What a process does, event by event, over as many connections as it takes: one that is lost is opened again, and the
// output, the input and the end go on where they were.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { KelpieError } from "@kelpie/platform";
import {
  type AttachRequestSchema,
  type ExecRequestSchema,
  OutputStream,
  type Process,
  type ProcessEvent,
  ProcessEventSchema,
  type WriteStdinRequestSchema,
} from "./gen/kelpie/agent/v1/process_pb.ts";
import { isLoss, isTimeout, isUnknownProcess } from "./guest-error.ts";
import { type ProcessRequest, processSpec } from "./process.ts";
import { StartOnce, type StartRoute } from "./start-once.ts";
import { StdinFeed } from "./stdin-feed.ts";

/** How long a lost connection is tried again; the guest keeps the process for longer. */
const resumeWithinMs = 60_000;
const firstPauseMs = 10;
const longestPauseMs = 1000;

/** A count of bytes for each output stream. */
export interface OutputOffsets {
  readonly stdout: number;
  readonly stderr: number;
}

/** A process to start, or one that is there to attach to. */
export type ExecutionTarget =
  | { readonly kind: "start"; readonly request: ProcessRequest }
  | {
      readonly kind: "attach";
      /** From which byte of each stream on. */
      readonly offsets: OutputOffsets;
      /** Only looks on: never slows the process, and may be told that it lost output. */
      readonly passive: boolean;
      readonly stdin: AsyncIterable<Uint8Array> | undefined;
    };

/** What it takes to follow a process. */
export interface FollowOptions extends StartRoute {
  /** The process's name in the guest. */
  readonly id: string;
  readonly target: ExecutionTarget;
  /** A name of this follower's alone: attached again, it takes the place that its lost connection may still hold. */
  readonly reader: string;
}

/** Follows one process. */
export class ProcessFollower {
  readonly #options: FollowOptions;
  readonly #stdin: StdinFeed | undefined;
  /** How it is started; undefined for one that is there. */
  readonly #start: StartOnce | undefined;
  #offsets: OutputOffsets;
  /** How much of stdin the guest had before ours. */
  #stdinBase = 0;
  /** Whether the guest is known to have the process. */
  #isThere: boolean;
  /** How many events were told. */
  #told = 0;

  constructor(options: FollowOptions) {
    const { target } = options;
    const stdin = target.kind === "start" ? target.request.stdin : target.stdin;
    this.#options = options;
    this.#stdin = stdin === undefined ? undefined : new StdinFeed(stdin);
    this.#start =
      target.kind === "start" ? new StartOnce(options, options.id, processSpec(target.request)) : undefined;
    this.#offsets = target.kind === "start" ? { stdout: 0, stderr: 0 } : target.offsets;
    this.#isThere = target.kind === "attach";
  }

  get #headers(): Record<string, string> {
    return { "kelpie-reader": this.#options.reader };
  }

  /** How many bytes of each stream were told. */
  get offsets(): OutputOffsets {
    return this.#offsets;
  }

  /** Tells what the process does, until `signal`. What is thrown is Connect's error, or a KelpieError. */
  async *events(signal: AbortSignal): AsyncGenerator<ProcessEvent, undefined> {
    const first = this.#start === undefined ? this.#attach(signal) : this.#exec(this.#start, signal);
    try {
      let loss = yield* this.#until(first, signal);
      while (loss !== undefined) loss = yield* this.#resume(loss.error, signal);
    } finally {
      this.#stdin?.leave();
    }
  }

  /** Hands a stream's events on; returns how its connection was lost, or its start refused, or nothing at its own end. */
  async *#until(
    stream: AsyncIterable<ProcessEvent>,
    signal: AbortSignal,
  ): AsyncGenerator<ProcessEvent, Loss | undefined> {
    let isStarted = false;
    try {
      for await (const event of stream) {
        if (event.event.case === "started") {
          // An endless row of them would keep the reader busy with nothing.
          if (isStarted) throw new KelpieError("malformed", "The guest starts the same process twice");
          isStarted = true;
        }
        this.#note(event);
        yield event;
      }
      return undefined;
    } catch (error) {
      if (signal.aborted || this.#options.connection.closed.aborted) throw error;
      if (!isLoss(error) && this.#start?.isRefused(error) !== true) throw error;
      return { error };
    }
  }

  #note({ event }: ProcessEvent): void {
    this.#isThere = true;
    this.#told++;
    if (event.case !== "output" && event.case !== "lost") return;
    const { stream, offset } = event.value;
    const name = stream === OutputStream.STDERR ? "stderr" : "stdout";
    const before = this.#offsets[name];
    const size = event.case === "output" ? event.value.data.length : Number(event.value.length);
    const next = before + size;
    // What is told twice, left out or larger than a stream can be would be taken up again at a wrong place.
    if (offset !== BigInt(before) || size === 0 || !Number.isSafeInteger(next)) {
      throw new KelpieError("malformed", "The guest tells of output that does not follow what came before", {
        expected: `some of ${name} from byte ${before} on`,
        found: `${size} bytes from ${offset} on`,
      });
    }
    this.#offsets = { ...this.#offsets, [name]: next };
  }

  /** Attaches again, once the guest answers, until the next loss. Throws the loss, if it does not in time. */
  async *#resume(loss: unknown, signal: AbortSignal): AsyncGenerator<ProcessEvent, Loss | undefined> {
    const { clock, connection } = this.#options;
    const toldBefore = this.#told;
    using patience = clock.deadline(resumeWithinMs, "Coming back to the guest");
    const stop = AbortSignal.any([signal, connection.closed, patience.signal]);
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        const failed = await this.#startIfUnknown(stop);
        if (failed !== undefined) {
          yield failed;
          return undefined;
        }
        const next = yield* this.#until(this.#attach(signal), signal);
        if (next === undefined || this.#told > toldBefore) return next;
      } catch (error) {
        if (signal.aborted || this.#start?.isUncertain === true) throw error;
        if (isUnknownProcess(error)) throw this.#gone(loss);
        if (!isLoss(error) && !isTimeout(error)) throw this.#givenUp(loss);
      }
      if (stop.aborted) throw this.#givenUp(loss);
      await clock.sleep(pauseMs, stop).catch(() => undefined);
    }
  }

  /** Starts a process that the guest may not have heard of. Returns the event that says that it cannot be started. */
  async #startIfUnknown(signal: AbortSignal): Promise<ProcessEvent | undefined> {
    if (this.#isThere || this.#start?.mayAsk !== true) return undefined;
    const result = await this.#start.ask(signal);
    this.#isThere = true;
    return result.case === "failure"
      ? create(ProcessEventSchema, { event: { case: "failed", value: result.value } })
      : undefined;
  }

  /** What is thrown for a loss that nothing comes after. */
  #givenUp(loss: unknown): unknown {
    return this.#isThere || this.#start === undefined ? loss : this.#start.uncertain(loss);
  }

  /** What it means that the guest does not know the process. */
  #gone(loss: unknown): unknown {
    if (!this.#isThere && this.#start !== undefined) return this.#start.uncertain(loss);
    return new KelpieError("guest-lost", "The agent was started again, and its processes ended with it", {
      cause: loss,
    });
  }

  async *#exec(once: StartOnce, signal: AbortSignal): AsyncGenerator<ProcessEvent, undefined> {
    const { processes } = this.#options;
    const stdin = this.#stdin;
    const start = await once.request(signal);
    async function* requests(): AsyncGenerator<MessageInitShape<typeof ExecRequestSchema>> {
      yield { request: { case: "start", value: start } };
      for await (const value of stdin?.chunks(signal) ?? []) yield { request: { case: "stdin", value } };
    }
    for await (const { event } of processes.exec(requests(), { signal, headers: this.#headers }))
      if (event !== undefined) yield event;
  }

  async *#attach(signal: AbortSignal): AsyncGenerator<ProcessEvent, undefined> {
    const { processes, id, target } = this.#options;
    const { stdout, stderr } = this.#offsets;
    const passive = target.kind === "attach" && target.passive;
    const offsets = { stdoutOffset: BigInt(stdout), stderrOffset: BigInt(stderr) };
    const request: MessageInitShape<typeof AttachRequestSchema> = { id, passive, ...offsets };
    const feeding = new AbortController();
    const stop = AbortSignal.any([signal, feeding.signal]);
    try {
      for await (const { event } of processes.attach(request, { signal: stop, headers: this.#headers })) {
        if (event === undefined) continue;
        if (event.event.case === "started") this.#feed(event.event.value, feeding, stop);
        yield event;
      }
    } catch (error) {
      throw feeding.signal.aborted ? feeding.signal.reason : error;
    } finally {
      feeding.abort();
    }
  }

  /** Sends stdin from where the guest has it on. What cannot go on ends the attachment with it. */
  #feed({ stdinBytes, stdinOpen }: Process, feeding: AbortController, stop: AbortSignal): void {
    const { processes, id, target } = this.#options;
    const stdin = this.#stdin;
    if (stdin === undefined || !stdinOpen) return;
    const accepted = Number(stdinBytes);
    if (target.kind === "attach" && stdin.sentBytes === 0) this.#stdinBase = accepted;
    const repeated = stdin.since(accepted - this.#stdinBase);
    if (repeated === undefined) {
      feeding.abort(new KelpieError("guest-lost", "The guest has lost a part of the process's input"));
      return;
    }
    async function* requests(): AsyncGenerator<MessageInitShape<typeof WriteStdinRequestSchema>> {
      // Each piece says where it belongs: what the lost connection carried may still be on its way to the process.
      let offset = stdinBytes;
      yield { id, offset };
      for (const data of repeated ?? []) {
        yield { offset, data };
        offset += BigInt(data.length);
      }
      for await (const data of stdin?.chunks(stop) ?? []) {
        yield { offset, data };
        offset += BigInt(data.length);
      }
      if (!stop.aborted) yield { end: true };
    }
    processes.writeStdin(requests(), { signal: stop }).catch((error: unknown) => {
      // A lost connection is the attachment's to find out.
      if (!stop.aborted && !isLoss(error)) feeding.abort(error);
    });
  }
}

/** How a connection was lost. */
interface Loss {
  readonly error: unknown;
}
