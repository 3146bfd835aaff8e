// The HTTP/2 connection to an agent, opened when it is needed and again when it was lost.

import http2 from "node:http2";
import type { Duplex } from "node:stream";
import type { GrpcTransportOptions } from "@connectrpc/connect-node";
import { cancelled, type Clock, KelpieError, type Random } from "@kelpie/platform";
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

/** A session that is being opened, for as long as somebody waits for it. */
interface Opening {
  readonly session: Promise<Session>;
  readonly left: AbortController;
  waiting: number;
}

type State =
  | { readonly kind: "closed" }
  | { readonly kind: "opening"; readonly opening: Opening }
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
  /** What was being opened last, which lets go of its bytes when nobody waits for it any more. */
  #lastOpening: Promise<unknown> = Promise.resolve();

  readonly #windows: Windows;

  constructor(options: AgentConnectionOptions, windows: Windows) {
    this.#options = options;
    this.#windows = windows;
  }

  /** Aborts when this is disposed: nothing comes back then. */
  get closed(): AbortSignal {
    return this.#disposal.signal;
  }

  /** Opens the connection, if it is not open, for as long as `signal` allows. `guest-lost`, or the signal's reason. */
  async connect(signal: AbortSignal, answerIn: number = answerWithinMs): Promise<void> {
    await this.#session(answerIn, signal);
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
    if (state.kind !== "open" || state.session.http.destroyed) {
      this.#stream?.destroy();
      await this.#lastOpening;
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
    return await this.#session(answerWithinMs, deadline.signal);
  }

  /** The open session, or the one that is being opened, or a new one. Until `signal`. */
  async #session(answerIn: number, signal: AbortSignal): Promise<Session> {
    // A session that was destroyed says so a little later.
    if (this.#state.kind === "open" && this.#state.session.http.destroyed) this.#state = { kind: "closed" };
    const state = this.#state;
    switch (state.kind) {
      case "open":
        return state.session;
      case "opening":
        return await this.#wait(state.opening, signal);
      case "disposed":
        throw new KelpieError("guest-lost", "The connection to the agent was closed");
      case "closed": {
        const left = new AbortController();
        const stop = AbortSignal.any([left.signal, this.#disposal.signal]);
        const opening = { session: this.#open(stop, answerIn), left, waiting: 0 };
        // Whoever waits for it hears of it; all may have stopped waiting.
        this.#lastOpening = opening.session.catch(() => this.#over(opening));
        this.#state = { kind: "opening", opening };
        return await this.#wait(opening, signal);
      }
      default:
        return state satisfies never;
    }
  }

  async #wait(opening: Opening, signal: AbortSignal): Promise<Session> {
    opening.waiting++;
    try {
      return await orAborted(opening.session, AbortSignal.any([signal, this.#disposal.signal]));
    } finally {
      // Nobody is left: the next to come begins anew.
      if (--opening.waiting === 0 && this.#over(opening))
        opening.left.abort(new KelpieError("cancelled", "Nobody waits for the agent any longer"));
    }
  }

  /** Whether it was still being opened, which it is no longer. */
  #over(opening: Opening): boolean {
    if (this.#state.kind !== "opening" || this.#state.opening !== opening) return false;
    this.#state = { kind: "closed" };
    return true;
  }

  async #open(signal: AbortSignal, answerIn: number): Promise<Session> {
    const { clock, random, open, probe = defaultProbe } = this.#options;
    this.#stream?.destroy();
    const { stream, instanceId } = await openSession({
      ...{ clock, random, open, signal },
      answerWithinMs: answerIn,
    });
    if (signal.aborted) {
      stream.destroy();
      throw cancelled(signal);
    }
    this.#stream = stream;
    const http = startHttp2(stream, this.#windows);
    const session: Session = { http, probe: new SessionProbe(http, clock, probe), instanceId };
    http.once("close", () => this.#forget(session));
    http.once("goaway", () => this.#forget(session));
    this.#state = { kind: "open", session };
    return session;
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
