// A client of QEMU's control channel (QEMU Machine Protocol specification).

import type { Duplex } from "node:stream";
import { cancelled, type Clock, describeError, KelpieError } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import { readLines } from "./lines.ts";
import { type Json, type JsonObject, parseQmpMessage, type QmpEvent, type QmpMessage } from "./messages.ts";

/** More than QEMU says in one line by far: `query-qmp-schema` is 300 KiB. */
const lineLimitBytes = 1 << 20;
const commandsInFlightLimit = 64;

/** The parts of an open connection that outlive a command. */
interface Pending {
  readonly resolve: (value: Json) => void;
  readonly reject: (error: KelpieError) => void;
}

/** An event that somebody waits for. */
interface AwaitedEvent {
  readonly isIt: (event: QmpEvent) => boolean;
  readonly resolve: (event: QmpEvent) => void;
}

export interface QmpOptions {
  readonly clock: Clock;
  /** Called for each event, in order. */
  readonly onEvent: (event: QmpEvent) => void;
  readonly signal: AbortSignal;
}

/** An open control channel. Every command has a deadline; when the channel ends, all that wait are told why. */
export class QmpClient implements Disposable {
  readonly #stream: Duplex;
  readonly #clock: Clock;
  readonly #onEvent: (event: QmpEvent) => void;
  readonly #pending = new Map<number, Pending>();
  readonly #awaited = new Set<AwaitedEvent>();
  readonly #greeted = Promise.withResolvers<undefined>();
  #lastId = 0;
  /** Resolves when the channel has ended, with the reason. */
  readonly ended: Promise<KelpieError>;
  #end: KelpieError | undefined;

  private constructor(stream: Duplex, clock: Clock, onEvent: (event: QmpEvent) => void) {
    this.#stream = stream;
    this.#clock = clock;
    this.#onEvent = onEvent;
    // Without a listener an error event would end the process; the reading below reports it.
    stream.on("error", () => undefined);
    this.#greeted.promise.catch(() => undefined);
    this.ended = this.#read();
  }

  /** Waits for the greeting and enters command mode. `guest-lost` if the channel ends first, `malformed`, `cancelled`. */
  static async open(stream: Duplex, { clock, onEvent, signal }: QmpOptions): Promise<QmpClient> {
    const client = new QmpClient(stream, clock, onEvent);
    const abort = (): void => client.#close(cancelled(signal));
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    try {
      await client.#greeted.promise;
      await client.execute("qmp_capabilities");
      return client;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Runs a command and returns what QEMU returns. `process-failed` with QEMU's words if it refuses,
   * `timeout` after `timeoutMs`, `guest-lost` when the channel ends.
   */
  async execute(command: string, args?: JsonObject, timeoutMs = 10_000): Promise<Json> {
    if (this.#end !== undefined) throw this.#end;
    if (this.#pending.size >= commandsInFlightLimit) {
      throw new KelpieError("limit-exceeded", "Too many QMP commands wait for an answer", {
        expected: `at most ${commandsInFlightLimit}`,
      });
    }
    const id = ++this.#lastId;
    const { promise, resolve, reject } = Promise.withResolvers<Json>();
    using deadline = this.#clock.deadline(timeoutMs, `QMP ${command}`);
    deadline.signal.addEventListener("abort", () => reject(cancelled(deadline.signal)), { once: true });
    this.#pending.set(id, { resolve, reject });
    try {
      const message = { execute: command, id, ...(args === undefined ? {} : { arguments: args }) };
      this.#stream.write(`${JSON.stringify(message)}\n`);
      return await promise;
    } catch (cause) {
      if (!KelpieError.is(cause) || cause.code !== "process-failed") throw cause;
      throw new KelpieError("process-failed", `QEMU refused ${command}`, { found: cause.summary, cause });
    } finally {
      this.#pending.delete(id);
    }
  }

  /** The next event for which `isIt` holds. `guest-lost` when the channel ends first, or the signal's reason. */
  async event(isIt: (event: QmpEvent) => boolean, signal: AbortSignal): Promise<QmpEvent> {
    const { promise, resolve } = Promise.withResolvers<QmpEvent>();
    const awaited = { isIt, resolve };
    this.#awaited.add(awaited);
    try {
      const lost = this.ended.then((reason) => Promise.reject(reason));
      return await orAborted(Promise.race([promise, lost]), signal);
    } finally {
      this.#awaited.delete(awaited);
    }
  }

  [Symbol.dispose](): void {
    this.#close(new KelpieError("guest-lost", "The QMP channel was closed"));
  }

  async #read(): Promise<KelpieError> {
    let reason = new KelpieError("guest-lost", "QEMU closed its QMP channel");
    try {
      const chunks: AsyncIterable<Uint8Array> = this.#stream;
      for await (const line of readLines(chunks, lineLimitBytes)) {
        if (line.trim() !== "") this.#take(parseQmpMessage(line));
      }
    } catch (cause) {
      reason = KelpieError.is(cause)
        ? cause
        : new KelpieError("guest-lost", "The QMP channel broke", { found: describeError(cause), cause });
    }
    this.#close(reason);
    return this.#end ?? reason;
  }

  #take(message: QmpMessage): void {
    switch (message.kind) {
      case "greeting":
        this.#greeted.resolve(undefined);
        break;
      case "return":
        this.#pending.get(message.id)?.resolve(message.value);
        break;
      case "error": {
        const error = new KelpieError("process-failed", message.description);
        if (message.id === undefined) this.#close(error);
        else this.#pending.get(message.id)?.reject(error);
        break;
      }
      case "event":
        this.#onEvent(message);
        for (const { isIt, resolve } of this.#awaited) {
          if (isIt(message)) resolve(message);
        }
        break;
      default:
        message satisfies never;
    }
  }

  #close(reason: KelpieError): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#greeted.reject(reason);
    for (const { reject } of this.#pending.values()) reject(reason);
    this.#stream.destroy();
  }
}
