// The guest's agent, as the host uses it.

import type { Duplex } from "node:stream";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { type Client, createClient, type Transport } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { type Clock, type Random, randomHex } from "@kelpie/platform";
import {
  agentAuthority,
  AgentConnection,
  type AgentConnectionOptions,
  largeWindows,
  sharedWindows,
  smallWindows,
} from "./agent-connection.ts";
import { BulkConnection } from "./bulk-connection.ts";
import { Execution } from "./execution.ts";
import {
  AgentService,
  type GetHealthResponse,
  type GetInfoResponse,
} from "./gen/kelpie/agent/v1/agent_pb.ts";
import { FileService } from "./gen/kelpie/agent/v1/file_pb.ts";
import { type Process, ProcessService } from "./gen/kelpie/agent/v1/process_pb.ts";
import { PowerAction, type ResumeRequestSchema, SystemService } from "./gen/kelpie/agent/v1/system_pb.ts";
import { isLoss } from "./guest-error.ts";
import { callGuest, type CallOptions, neverAborted } from "./call-guest.ts";
import { GuestFiles } from "./guest-files.ts";
import { notStarted, type ProcessEnd, type ProcessRequest, processSpec } from "./process.ts";
import type { ExecutionTarget, OutputOffsets } from "./process-events.ts";
import { StartOnce, type StartRoute } from "./start-once.ts";

/** The agent's bound on a message (agent.proto), with room for its frame. */
const messageLimitBytes = (1 << 20) + 1024;
/** The bytes of a first hello wait in the virtual machine monitor until the agent opens its port. */
const firstHelloAgainAfterMs = 10_000;

/** More than the signal of whoever waits for a boot allows. */
const longestBootMs = 3_600_000;

/** How to reach an agent. */
export interface AgentClientOptions extends AgentConnectionOptions {
  /**
   * Opens a port of its own for what is large, once there is any: files and archives then never delay a call or a
   * process's output. Without it, or while it fails with `in-use`, they share the one connection.
   */
  readonly openBulk?: (signal: AbortSignal) => Promise<Duplex>;
}

/** How to attach to a process. */
export interface AttachOptions {
  /** From which byte of each stream on; the beginning when absent. */
  readonly offsets?: OutputOffsets;
  /** Only looks on: never slows the process, and may be told that it lost output. */
  readonly passive?: boolean;
  readonly stdin?: AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal;
}

/**
 * A client of one agent. It reconnects by itself: a call after a loss opens a new session, and an execution goes on where
 * it was.
 */
export class AgentClient implements AsyncDisposable {
  /** The agent's services in full, for what has no method here: by {@link call}, else they throw Connect's errors and know no deadline. */
  readonly agent: Client<typeof AgentService>;
  readonly processes: Client<typeof ProcessService>;
  readonly system: Client<typeof SystemService>;
  /** The guest's files. */
  readonly files: GuestFiles;
  readonly #connection: AgentConnection;
  readonly #bulk: AgentConnection;
  readonly #clock: Clock;
  readonly #random: Random;

  constructor(options: AgentClientOptions) {
    const { clock, random, openBulk, ...rest } = options;
    this.#clock = clock;
    this.#random = random;
    this.#connection = new AgentConnection(options, openBulk === undefined ? sharedWindows : smallWindows);
    this.#bulk =
      openBulk === undefined
        ? this.#connection
        : new AgentConnection({ ...rest, clock, random, open: openBulk }, largeWindows);
    const transport = transportOver(this.#connection);
    this.agent = createClient(AgentService, transport);
    this.processes = createClient(ProcessService, transport);
    this.system = createClient(SystemService, transport);
    const bulk = new BulkConnection(this.#bulk, this.#connection);
    const bulkFiles = createClient(FileService, transportOver(bulk));
    this.files = new GuestFiles(createClient(FileService, transport), bulkFiles, {
      clock,
      connection: this.#connection,
    });
  }

  /** Opens the session, which answers nothing but the handshake. `guest-lost`, or the signal's reason. */
  async connect(signal: AbortSignal): Promise<void> {
    await this.#connection.connect(signal, firstHelloAgainAfterMs);
  }

  /** Waits until the agent of a booting guest answers. `guest-lost` if its port closes, or the signal's reason. */
  async waitUntilReady(signal: AbortSignal): Promise<void> {
    await this.connect(signal);
    await this.ping({ signal, timeoutMs: longestBootMs });
  }

  /** Has the guest do `what` by one of its services, once. `timeout` after ten seconds or `timeoutMs`, `guest-lost`, `guest-refused`. */
  call<T>(what: string, options: CallOptions, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return callGuest(this.#route, what, options, call);
  }

  /** Asks for an answer and returns how long it took. */
  async ping(options: CallOptions = {}): Promise<number> {
    const startMs = this.#clock.monotonicMs();
    await this.#ask("answer a ping", options, (signal) => this.agent.ping({}, { signal }));
    return this.#clock.monotonicMs() - startMs;
  }

  /** What this guest is. Texts in it are the guest's: for a terminal, `printable`. */
  info(options: CallOptions = {}): Promise<GetInfoResponse> {
    return this.#ask("say what it is", options, (signal) => this.agent.getInfo({}, { signal }));
  }

  /** How this guest is, in its own words and numbers. */
  health(options: CallOptions = {}): Promise<GetHealthResponse> {
    return this.#ask("say how it is", options, (signal) => this.agent.getHealth({}, { signal }));
  }

  /** How long the guest's kernel has run, in milliseconds. */
  async bootTimeMs(options: CallOptions = {}): Promise<number> {
    const { nowBootNs } = await this.#ask("say how long it has run", options, (signal) =>
      this.agent.ping({}, { signal }),
    );
    return Number(nowBootNs) / 1e6;
  }

  /** The processes that were started here and run, or have ended and are remembered, in the guest's own words. */
  async listProcesses(options: CallOptions = {}): Promise<readonly Process[]> {
    const { processes } = await this.#ask("list its processes", options, (signal) =>
      this.processes.listProcesses({}, { signal }),
    );
    return processes;
  }

  /** A process in the guest; it starts when it is iterated or collected. Aborting `signal` kills it. */
  exec(request: ProcessRequest, signal: AbortSignal = neverAborted): Execution {
    return this.#follow(this.#newId(), { kind: "start", request }, signal);
  }

  /**
   * Starts a process that goes on by itself, whether anybody attaches to it or not; its `stdin` is not read here. Returns
   * its name in the guest, or why it could not be started. It is started at most once, over however many connections;
   * `guest-lost` says where it is not known whether it ran.
   */
  async start(
    request: ProcessRequest,
    options: CallOptions = {},
  ): Promise<{ readonly id: string; readonly pid: number } | Extract<ProcessEnd, { kind: "not-started" }>> {
    const spec = processSpec({ ...request, outlivesReader: true });
    const id = this.#newId();
    const start = new StartOnce(this.#route, id, spec);
    const what = `start ${request.argv[0]}`;
    const result = await this.call(what, options, (signal) => start.askUntil(signal));
    return result.case === "failure" ? notStarted(result.value) : { id, pid: result.value.pid };
  }

  /** A process that runs, or has ended and is remembered, by its name. Leaving it leaves it running. */
  attach(id: string, { offsets, passive = false, stdin, signal }: AttachOptions = {}): Execution {
    const from = offsets ?? { stdout: 0, stderr: 0 };
    return this.#follow(id, { kind: "attach", offsets: from, passive, stdin }, signal ?? neverAborted);
  }

  /** Makes a restored guest unique and lets it go on (system.proto): `entropy` and `unixNs` at least. */
  async resume(
    request: MessageInitShape<typeof ResumeRequestSchema>,
    options: CallOptions = {},
  ): Promise<void> {
    const { instanceId } = await this.call("become a machine of its own", options, (signal) =>
      this.system.resume(request, { signal }),
    );
    this.#connection.noteInstance(instanceId);
  }

  /** Asks the guest to power off; resolves when the agent has agreed. */
  async shutdown(options: CallOptions = {}): Promise<void> {
    const action = PowerAction.POWER_OFF;
    await this.call("power off", options, (signal) => this.system.shutdown({ action }, { signal }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#connection[Symbol.asyncDispose](), this.#bulk[Symbol.asyncDispose]()]);
  }

  #newId(): string {
    return randomHex(this.#random, 8);
  }

  #follow(id: string, target: ExecutionTarget, signal: AbortSignal): Execution {
    return new Execution({ ...this.#route, id, target, reader: this.#newId() }, signal);
  }

  get #route(): StartRoute {
    return { processes: this.processes, connection: this.#connection, clock: this.#clock };
  }

  /** A call that changes nothing: one that is lost with its connection is made again over the next. */
  #ask<T>(what: string, options: CallOptions, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return this.call(what, options, (signal) =>
      call(signal).catch((error: unknown) => {
        if (signal.aborted || this.#connection.closed.aborted || !isLoss(error)) throw error;
        return call(signal);
      }),
    );
  }
}

function transportOver(sessionManager: AgentConnection | BulkConnection): Transport {
  return createGrpcTransport({
    baseUrl: agentAuthority,
    sessionManager,
    readMaxBytes: messageLimitBytes,
    writeMaxBytes: messageLimitBytes,
    // The bytes never leave the machine.
    acceptCompression: [],
  });
}
