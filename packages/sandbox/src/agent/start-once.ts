// A start that is done at most once (docs/adr/0012-a-start-is-done-at-most-once.md): it names the instance of the agent that it is
// meant for, and when it is asked for again after a lost answer, it names the same one.

import type { Client } from "@connectrpc/connect";
import { KelpieError } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import type { AgentConnection } from "./agent-connection.ts";
import type { ProcessService, ProcessSpec, StartProcessResponse } from "./gen/kelpie/agent/v1/process_pb.ts";
import type { CallRoute } from "./call-guest.ts";
import { isLoss, isTimeout, refusingInstance } from "./guest-error.ts";

const firstPauseMs = 10;
const longestPauseMs = 1000;
/** An instance that was refused nothing has started, so another is asked; one that has a new name each time is not. */
const refusalLimit = 4;

/** Where a start goes. */
export interface StartRoute extends CallRoute {
  readonly processes: Client<typeof ProcessService>;
  readonly connection: Pick<AgentConnection, "connect" | "instanceId" | "noteInstance" | "closed">;
}

/** What a start came to. */
export type StartResult = Exclude<StartProcessResponse["result"], { case: undefined }>;

/** One process's start, over as many connections as it takes. */
export class StartOnce {
  readonly #route: StartRoute;
  readonly #id: string;
  readonly #spec: ProcessSpec;
  /** Whom it was asked of, and how often; undefined while nobody can have heard of it. */
  #asked: { readonly instanceId: string | undefined; times: number } | undefined;
  #refusals = 0;
  #isUncertain = false;

  constructor(route: StartRoute, id: string, spec: ProcessSpec) {
    this.#route = route;
    this.#id = id;
    this.#spec = spec;
  }

  /** Whether asking (once more) cannot start the process twice. */
  get mayAsk(): boolean {
    return this.#asked === undefined || this.#asked.instanceId !== undefined;
  }

  /** Whether it was found out that nobody can say whether the process ran. */
  get isUncertain(): boolean {
    return this.#isUncertain;
  }

  /** The request, to be sent at once. Only where {@link mayAsk} is true. */
  async request(signal: AbortSignal): Promise<{ id: string; spec: ProcessSpec; instanceId: string }> {
    const { connection } = this.#route;
    this.#asked ??= { instanceId: await orAborted(connection.instanceId(), signal), times: 0 };
    this.#asked.times++;
    return { id: this.#id, spec: this.#spec, instanceId: this.#asked.instanceId ?? "" };
  }

  /**
   * Whether `error`, with which the request failed, says that nobody has started the process, and that it may be asked for
   * anew. `guest-lost` where it says that the agent is another one than that which was asked before.
   */
  isRefused(error: unknown): boolean {
    const instanceId = refusingInstance(error);
    if (instanceId === undefined || this.#asked === undefined) return false;
    if (this.#asked.times > 1) throw this.uncertain(error);
    this.#asked = undefined;
    this.#route.connection.noteInstance(instanceId);
    return ++this.#refusals <= refusalLimit;
  }

  /** Asks until there is an answer. Connect's error, or `guest-lost` where it is not known whether the process ran. */
  async ask(signal: AbortSignal): Promise<StartResult> {
    for (;;) {
      if (!this.mayAsk) throw this.uncertain(undefined);
      const request = await this.request(signal);
      try {
        const { result } = await this.#route.processes.startProcess(request, { signal });
        if (result.case !== undefined) return result;
      } catch (error) {
        if (!this.isRefused(error)) throw error;
        continue;
      }
      throw new KelpieError("malformed", "The guest says neither that the process runs nor why it does not", {
        expected: "a process or a failure",
        found: "nothing",
      });
    }
  }

  /** What is thrown where the start was asked for, and nobody is left who could answer. `cause` where it never was. */
  uncertain(cause: unknown): unknown {
    if (this.#asked === undefined) return cause;
    this.#isUncertain = true;
    return new KelpieError(
      "guest-lost",
      "It is not known whether the process ran: its start was not answered",
      {
        help: "The guest or its agent ended meanwhile, or the agent is too old to be asked twice. Nothing was started twice.",
        cause,
      },
    );
  }

  /** As {@link ask}, again over the next connection where one is lost, until `signal`. */
  async askUntil(signal: AbortSignal): Promise<StartResult> {
    const { clock, connection } = this.#route;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(2 * pauseMs, longestPauseMs)) {
      try {
        return await this.ask(signal);
      } catch (error) {
        const isOver = signal.aborted || connection.closed.aborted || this.#isUncertain;
        if (isOver || !(isLoss(error) || isTimeout(error))) throw error;
      }
      await clock.sleep(pauseMs, signal);
    }
  }
}
