// A client of Firecracker's API: HTTP/1.1 with JSON over a Unix socket, one call to a connection.

import { KelpieError, type Platform, tryParseJson, printable } from "@kelpie/platform";
import { orAborted } from "../../or-aborted.ts";
import { exchange, type HttpAnswer } from "./http-exchange.ts";

/** One call, as data. */
export interface ApiCall {
  readonly method: "GET" | "PUT" | "PATCH";
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
}

const answersWithinMs = 10_000;
const lookAgainAfterMs = 5;
const shownCharacters = 400;

type Parts = Pick<Platform, "clock" | "network">;

/** Calls at the socket `path`. */
export class FirecrackerApi {
  readonly #platform: Parts;
  readonly #path: string;

  constructor(platform: Parts, path: string) {
    this.#platform = platform;
    this.#path = path;
  }

  /**
   * Resolves once somebody listens. The socket's file is there a moment earlier, when connecting is still refused.
   *
   * @throws what `signal` was aborted with
   */
  async untilListening(signal: AbortSignal): Promise<void> {
    for (;;) {
      try {
        const stream = await this.#platform.network.connectUnix(this.#path, signal);
        stream.destroy();
        return;
      } catch (error) {
        const isEarly =
          KelpieError.is(error) && (error.code === "not-found" || error.found === "ECONNREFUSED");
        if (!isEarly) throw error;
      }
      await this.#platform.clock.sleep(lookAgainAfterMs, signal);
    }
  }

  /**
   * Makes one call and returns what its answer says; undefined where it says nothing.
   *
   * @throws KelpieError `process-failed` with Firecracker's words, `limit-exceeded`, `malformed`, `timeout`, `cancelled`,
   *   `unreachable`, `not-found`
   */
  async call(call: ApiCall, signal: AbortSignal, withinMs = answersWithinMs): Promise<unknown> {
    using deadline = this.#platform.clock.deadline(withinMs, `Firecracker's answer to ${describe(call)}`);
    const stop = AbortSignal.any([signal, deadline.signal]);
    const stream = await this.#platform.network.connectUnix(this.#path, stop);
    try {
      const body = call.body === undefined ? undefined : Buffer.from(JSON.stringify(call.body));
      const answer = await orAborted(exchange(stream, call.method, call.path, body), stop);
      return readAnswer(call, answer);
    } finally {
      stream.destroy();
    }
  }
}

function readAnswer(call: ApiCall, { status, body }: HttpAnswer): unknown {
  if (status < 200 || status > 299) throw refused(call, status, body);
  if (body === "") return undefined;
  const answer = tryParseJson(body);
  if (answer !== undefined) return answer;
  throw new KelpieError("malformed", `Firecracker's answer to ${describe(call)} is no JSON`, {
    found: printable(body.slice(0, shownCharacters)),
  });
}

function refused(call: ApiCall, status: number, text: string): KelpieError {
  const answer = tryParseJson(text);
  const isFault = typeof answer === "object" && answer !== null && "fault_message" in answer;
  const words = isFault ? String(answer.fault_message) : text;
  return new KelpieError("process-failed", `Firecracker refused ${describe(call)}`, {
    found: `${status}: ${printable(words.slice(0, shownCharacters))}`,
  });
}

function describe({ method, path }: ApiCall): string {
  return `${method} ${path}`;
}
