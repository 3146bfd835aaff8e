// The HTTP/2 connection to an agent, opened when it is needed and again when it was lost.

import http2 from "node:http2";
import type { Duplex } from "node:stream";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import { type Clock, KelpieError, type Random } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import { greetAgent } from "./handshake.ts";

/** A stand-in for the address that HTTP wants: the connection is a port of one machine. */
export const agentAuthority = "http://agent.kelpie.internal";

/** What the agent may send ahead of us on one stream, and on all together. */
const streamWindowBytes = 1 << 20;
const connectionWindowBytes = 4 << 20;
/** Bounds what Node holds for one connection, headers and queued frames included; in MiB. */
const sessionMemoryMiB = 16;
const headerListLimitBytes = 16 << 10;
const reconnectWithinMs = 10_000;
const helloRepeatMs = 500;

/** How to reach an agent. */
export interface AgentConnectionOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Opens the bytes to the agent's port. */
  readonly open: (signal: AbortSignal) => Promise<Duplex>;
}

type State =
  | { readonly kind: "closed" }
  | { readonly kind: "opening"; readonly session: Promise<http2.ClientHttp2Session> }
  | { readonly kind: "open"; readonly session: http2.ClientHttp2Session }
  | { readonly kind: "disposed" };

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/** Hands out HTTP/2 streams for Connect's transport; one session at a time. */
export class AgentConnection implements SessionManager, AsyncDisposable {
  readonly authority = agentAuthority;
  readonly #options: AgentConnectionOptions;
  readonly #disposal = new AbortController();
  #state: State = { kind: "closed" };

  constructor(options: AgentConnectionOptions) {
    this.#options = options;
  }

  /** Opens the connection for as long as `signal` allows. `guest-lost`, or the signal's reason. */
  async connect(signal: AbortSignal, helloAgainAfterMs: number): Promise<void> {
    await orAborted(this.#session(helloAgainAfterMs, this.#disposal.signal), signal);
  }

  async request(
    method: string,
    path: string,
    headers: http2.OutgoingHttpHeaders,
    options: Omit<http2.ClientSessionRequestOptions, "signal">,
  ): Promise<http2.ClientHttp2Stream> {
    using deadline = this.#options.clock.deadline(reconnectWithinMs, "Connecting to the agent");
    const stop = AbortSignal.any([deadline.signal, this.#disposal.signal]);
    const session = await orAborted(this.#session(helloRepeatMs, stop), stop);
    return session.request({ ...headers, ":method": method, ":path": path }, options);
  }

  notifyResponseByteRead(): void {
    // Only a manager that probes idle connections needs to know.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const state = this.#state;
    this.#state = { kind: "disposed" };
    this.#disposal.abort(new KelpieError("guest-lost", "The connection to the agent was closed"));
    if (state.kind !== "open" || state.session.destroyed) return;
    const closed = Promise.withResolvers<undefined>();
    state.session.once("close", () => closed.resolve(undefined));
    state.session.destroy();
    await closed.promise;
  }

  /** The open session, or the one that is being opened, or a new one that is opened until `stop`. */
  #session(helloAgainAfterMs: number, stop: AbortSignal): Promise<http2.ClientHttp2Session> {
    const state = this.#state;
    switch (state.kind) {
      case "open":
        return Promise.resolve(state.session);
      case "opening":
        return state.session;
      case "disposed":
        return Promise.reject(new KelpieError("guest-lost", "The connection to the agent was closed"));
      case "closed": {
        const session = this.#open(stop, helloAgainAfterMs);
        // Whoever waits for it hears of it; all may have stopped waiting.
        session.catch(() => undefined);
        this.#state = { kind: "opening", session };
        return session;
      }
      default:
        return state satisfies never;
    }
  }

  async #open(signal: AbortSignal, repeatAfterMs: number): Promise<http2.ClientHttp2Session> {
    const { clock, random, open } = this.#options;
    let stream: Duplex | undefined;
    try {
      stream = await open(signal);
      await greetAgent(stream, { clock, random, repeatAfterMs, signal });
      const session = startHttp2(stream);
      session.once("close", () => this.#forget(session));
      session.once("goaway", () => this.#forget(session));
      this.#state = { kind: "open", session };
      return session;
    } catch (error) {
      stream?.destroy();
      if (this.#state.kind === "opening") this.#state = { kind: "closed" };
      throw error;
    }
  }

  #forget(session: http2.ClientHttp2Session): void {
    if (this.#state.kind === "open" && this.#state.session === session) this.#state = { kind: "closed" };
  }
}

function startHttp2(stream: Duplex): http2.ClientHttp2Session {
  const session = http2.connect(agentAuthority, {
    createConnection: () => stream,
    maxSessionMemory: sessionMemoryMiB,
    settings: {
      enablePush: false,
      initialWindowSize: streamWindowBytes,
      maxHeaderListSize: headerListLimitBytes,
    },
  });
  session.setLocalWindowSize(connectionWindowBytes);
  // The streams of the session learn of its end themselves; without a listener the event would end the process.
  session.on("error", () => undefined);
  return session;
}
