// The HTTP/2 connection to an agent, opened when it is needed and again when it was lost.

import http2 from "node:http2";
import type { Duplex } from "node:stream";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import { type Clock, KelpieError, type Random } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import { openSession } from "./open-session.ts";
import { type Probe, SessionProbe } from "./session-probe.ts";

/** A stand-in for the address that HTTP wants: the connection is a port of one machine. */
export const agentAuthority = "http://agent.kelpie.internal";

/** What the agent may send ahead of us on one stream, and on all together. */
export interface Windows {
  readonly streamBytes: number;
  readonly connectionBytes: number;
}

/** For a process's output: what is under way when the connection is lost must be less than the guest keeps of it. */
export const smallWindows: Windows = { streamBytes: 64 << 10, connectionBytes: 1 << 20 };
/** For files. */
export const largeWindows: Windows = { streamBytes: 1 << 20, connectionBytes: 4 << 20 };
/** For both on one connection. */
export const sharedWindows: Windows = { streamBytes: 128 << 10, connectionBytes: 2 << 20 };

/** Bounds what Node holds for one connection, headers and queued frames included; in MiB. */
const sessionMemoryMiB = 16;
const headerListLimitBytes = 16 << 10;
/** A chunk of the agent's fits in one frame. */
const frameLimitBytes = (64 << 10) + 64;
const reconnectWithinMs = 10_000;
const answerWithinMs = 500;
/** A port has no connection ends, so an agent that was started again is noticed by its silence. */
const defaultProbe: Probe = { everyMs: 3_000, answerWithinMs: 10_000 };

/** How to reach an agent. */
export interface AgentConnectionOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Opens the bytes to the agent's port. */
  readonly open: (signal: AbortSignal) => Promise<Duplex>;
  /** Default: every 3 s, and 10 s for an answer. */
  readonly probe?: Probe;
}

/** An open session. */
interface Session {
  readonly http: http2.ClientHttp2Session;
  readonly probe: SessionProbe;
  /** Of the agent that answers; undefined where it does not tell. Resuming a snapshot gives it another. */
  instanceId: string | undefined;
}

type State =
  | { readonly kind: "closed" }
  | { readonly kind: "opening"; readonly session: Promise<Session> }
  | { readonly kind: "open"; readonly session: Session }
  | { readonly kind: "disposed" };

type SessionManager = NonNullable<GrpcTransportOptions["sessionManager"]>;

/** Hands out HTTP/2 streams for Connect's transport; one session at a time. */
export class AgentConnection implements SessionManager, AsyncDisposable {
  readonly authority = agentAuthority;
  readonly #options: AgentConnectionOptions;
  readonly #disposal = new AbortController();
  #state: State = { kind: "closed" };
  /** The bytes of the last session: an agent that takes leave and stays would keep them open. */
  #stream: Duplex | undefined;

  readonly #windows: Windows;

  constructor(options: AgentConnectionOptions, windows: Windows) {
    this.#options = options;
    this.#windows = windows;
  }

  /** Aborts when this is disposed: nothing comes back then. */
  get closed(): AbortSignal {
    return this.#disposal.signal;
  }

  /** Opens the connection for as long as `signal` allows. `guest-lost`, or the signal's reason. */
  async connect(signal: AbortSignal, answerWithinMs: number): Promise<void> {
    await orAborted(this.#session(answerWithinMs, this.#disposal.signal), signal);
  }

  /** The instance of the agent that answers, as far as it tells; opens the session if there is none. `guest-lost`, `timeout`. */
  async instanceId(): Promise<string | undefined> {
    return (await this.#current()).instanceId;
  }

  /** Notes that the agent that answers has another instance id by now. */
  noteInstance(instanceId: string): void {
    if (this.#state.kind === "open") this.#state.session.instanceId = instanceId;
  }

  async request(
    method: string,
    path: string,
    headers: http2.OutgoingHttpHeaders,
    options: Omit<http2.ClientSessionRequestOptions, "signal">,
  ): Promise<http2.ClientHttp2Stream> {
    const { http, probe } = await this.#current();
    const stream = http.request({ ...headers, ":method": method, ":path": path }, options);
    probe.watch(stream);
    return stream;
  }

  notifyResponseByteRead(): void {
    // Only a manager that probes idle connections needs to know.
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const state = this.#state;
    this.#state = { kind: "disposed" };
    this.#disposal.abort(new KelpieError("guest-lost", "The connection to the agent was closed"));
    if (state.kind === "opening") {
      await state.session.catch(() => undefined);
      return;
    }
    if (state.kind !== "open" || state.session.http.destroyed) {
      this.#stream?.destroy();
      return;
    }
    const closed = Promise.withResolvers<undefined>();
    state.session.http.once("close", () => closed.resolve(undefined));
    state.session.http.destroy();
    this.#stream?.destroy();
    await closed.promise;
  }

  async #current(): Promise<Session> {
    using deadline = this.#options.clock.deadline(reconnectWithinMs, "Connecting to the agent");
    const stop = AbortSignal.any([deadline.signal, this.#disposal.signal]);
    return await orAborted(this.#session(answerWithinMs, stop), stop);
  }

  /** The open session, or the one that is being opened, or a new one that is opened until `stop`. */
  #session(answerWithinMs: number, stop: AbortSignal): Promise<Session> {
    // A session that was destroyed says so a little later.
    if (this.#state.kind === "open" && this.#state.session.http.destroyed) this.#state = { kind: "closed" };
    const state = this.#state;
    switch (state.kind) {
      case "open":
        return Promise.resolve(state.session);
      case "opening":
        return state.session;
      case "disposed":
        return Promise.reject(new KelpieError("guest-lost", "The connection to the agent was closed"));
      case "closed": {
        const session = this.#open(stop, answerWithinMs);
        // Whoever waits for it hears of it; all may have stopped waiting.
        session.catch(() => undefined);
        this.#state = { kind: "opening", session };
        return session;
      }
      default:
        return state satisfies never;
    }
  }

  async #open(signal: AbortSignal, answerWithinMs: number): Promise<Session> {
    const { clock, random, open, probe = defaultProbe } = this.#options;
    this.#stream?.destroy();
    try {
      const { stream, instanceId } = await openSession({ clock, random, open, answerWithinMs, signal });
      if (this.closed.aborted) {
        stream.destroy();
        throw this.closed.reason;
      }
      this.#stream = stream;
      const http = startHttp2(stream, this.#windows);
      const session: Session = { http, probe: new SessionProbe(http, clock, probe), instanceId };
      http.once("close", () => this.#forget(session));
      http.once("goaway", () => this.#forget(session));
      this.#state = { kind: "open", session };
      return session;
    } catch (error) {
      if (this.#state.kind === "opening") this.#state = { kind: "closed" };
      throw error;
    }
  }

  #forget(session: Session): void {
    if (this.#state.kind === "open" && this.#state.session === session) this.#state = { kind: "closed" };
  }
}

function startHttp2(stream: Duplex, { streamBytes, connectionBytes }: Windows): http2.ClientHttp2Session {
  const session = http2.connect(agentAuthority, {
    createConnection: () => stream,
    maxSessionMemory: sessionMemoryMiB,
    settings: {
      enablePush: false,
      initialWindowSize: streamBytes,
      maxHeaderListSize: headerListLimitBytes,
      maxFrameSize: frameLimitBytes,
    },
  });
  session.setLocalWindowSize(connectionBytes);
  // The streams of the session learn of its end themselves; without a listener the event would end the process.
  session.on("error", () => undefined);
  return session;
}
