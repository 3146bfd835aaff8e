// The guest's agent, as the host uses it.

import { type Client, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Clock, type Random, randomHex } from "@kelpie/platform";
import { agentAuthority, AgentConnection, type AgentConnectionOptions } from "./agent-connection.ts";
import { Execution } from "./execution.ts";
import { AgentService, type GetInfoResponse } from "./gen/kelpie/agent/v1/agent_pb.ts";
import { FileService } from "./gen/kelpie/agent/v1/file_pb.ts";
import { ProcessService } from "./gen/kelpie/agent/v1/process_pb.ts";
import { PowerAction, SystemService } from "./gen/kelpie/agent/v1/system_pb.ts";
import { guestError } from "./guest-error.ts";
import type { ProcessRequest } from "./process.ts";

/** The agent's bound on a message (agent.proto), with room for its frame. */
const messageLimitBytes = (1 << 20) + 1024;
const callTimeoutMs = 10_000;
/** The bytes of a first hello wait in the virtual machine monitor until the agent opens its port. */
const firstHelloAgainAfterMs = 10_000;

/** A call's bounds. */
export interface CallOptions {
  readonly signal?: AbortSignal;
  /** Default ten seconds. */
  readonly timeoutMs?: number;
}

/** A client of one agent over one port. It reconnects by itself: a call after a loss opens a new session. */
export class AgentClient implements AsyncDisposable {
  /** The agent's services in full, for what has no method here. */
  readonly agent: Client<typeof AgentService>;
  readonly files: Client<typeof FileService>;
  readonly processes: Client<typeof ProcessService>;
  readonly system: Client<typeof SystemService>;
  readonly #connection: AgentConnection;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: AgentConnectionOptions) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#connection = new AgentConnection(options);
    const transport = createGrpcTransport({
      baseUrl: agentAuthority,
      sessionManager: this.#connection,
      readMaxBytes: messageLimitBytes,
      writeMaxBytes: messageLimitBytes,
      // The bytes never leave the machine.
      acceptCompression: [],
    });
    this.agent = createClient(AgentService, transport);
    this.files = createClient(FileService, transport);
    this.processes = createClient(ProcessService, transport);
    this.system = createClient(SystemService, transport);
  }

  /** Opens the session, which answers nothing but the handshake. `guest-lost`, or the signal's reason. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#connection.connect(signal, firstHelloAgainAfterMs);
  }

  /** Waits until the agent of a booting guest answers. `guest-lost` if its port closes, or the signal's reason. */
  async waitUntilReady(signal: AbortSignal): Promise<void> {
    await this.connect(signal);
    await this.ping({ signal });
  }

  /** Asks for an answer and returns how long it took. */
  async ping(options: CallOptions = {}): Promise<number> {
    const startMs = this.#clock.monotonicMs();
    await this.#call("answer a ping", options, (signal) => this.agent.ping({}, { signal }));
    return this.#clock.monotonicMs() - startMs;
  }

  /** What this guest is. */
  info(options: CallOptions = {}): Promise<GetInfoResponse> {
    return this.#call("say what it is", options, (signal) => this.agent.getInfo({}, { signal }));
  }

  /** A process in the guest; it starts when it is iterated or collected. Aborting `signal` kills it. */
  exec(request: ProcessRequest, signal: AbortSignal = neverAborted): Execution {
    return new Execution(this.processes, randomHex(this.#random, 8), request, signal);
  }

  /** Asks the guest to power off; resolves when the agent has agreed. */
  async shutdown(options: CallOptions = {}): Promise<void> {
    const action = PowerAction.POWER_OFF;
    await this.#call("power off", options, (signal) => this.system.shutdown({ action }, { signal }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection[Symbol.asyncDispose]();
  }

  async #call<T>(what: string, options: CallOptions, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    using deadline = this.#clock.deadline(
      options.timeoutMs ?? callTimeoutMs,
      `Waiting for the guest to ${what}`,
    );
    const signal =
      options.signal === undefined ? deadline.signal : AbortSignal.any([options.signal, deadline.signal]);
    try {
      return await call(signal);
    } catch (error) {
      throw guestError(what, error, signal);
    }
  }
}

const neverAborted = new AbortController().signal;
