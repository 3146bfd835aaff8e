// A process in the guest, as people ask for it and as it ends: the agent's messages checked and made small.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { KelpieError, printableLine } from "@kelpie/platform";
import {
  type Exit,
  ExitCause,
  type LimitsSchema,
  OutputPolicy,
  OutputStream,
  type ProcessEvent,
  type ProcessSpec,
  ProcessSpecSchema,
  type SpawnFailure,
  SpawnError,
  StdinMode,
  type TerminalSchema,
} from "./gen/kelpie/agent/v1/process_pb.ts";

/** What to run. */
export interface ProcessRequest {
  /** The program and its arguments. A program without a slash is looked up in the guest's PATH. */
  readonly argv: readonly [string, ...string[]];
  /** Variables on top of the guest's default environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Leaves the default environment out. */
  readonly clearEnv?: boolean;
  /** Default: the user's home, or `/`. */
  readonly cwd?: string;
  /** A name of the guest's /etc/passwd, or a number. Default: root. */
  readonly user?: string | number;
  /** The guest ends the process and its group after this long. */
  readonly timeoutMs?: number;
  /** From SIGTERM to SIGKILL at a timeout; 2000 when absent. */
  readonly killGraceMs?: number;
  /** How many processes and threads it may have with all that it starts. Needs cgroups in the guest. */
  readonly pidsLimit?: number;
  /** Its standard input, read as fast as the process does. Empty when absent. */
  readonly stdin?: AsyncIterable<Uint8Array>;
  /** Gives it a terminal, whose one stream arrives as stdout. */
  readonly terminal?: TerminalRequest;
  /** Limits on the process and all its descendants. */
  readonly limits?: ProcessLimits;
  /** The process goes on when its reader leaves, to be attached to again; else leaving kills it. */
  readonly outlivesReader?: boolean;
}

/** A terminal; its size in characters. */
export interface TerminalRequest {
  readonly rows: number;
  readonly columns: number;
  /** TERM; default `xterm-256color`. */
  readonly term?: string;
}

/** Limits by cgroup; what is absent is unlimited. */
export interface ProcessLimits {
  readonly memoryBytes?: number;
  /** Processes and threads. */
  readonly pids?: number;
  /** Thousandths of one processor. */
  readonly cpuMilli?: number;
}

/** A piece of output, or how much the guest had to drop. */
export type ProcessOutput =
  | { readonly kind: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | { readonly kind: "lost"; readonly stream: "stdout" | "stderr"; readonly sizeBytes: number };

/** Why a process ended. */
export type EndCause = "own" | "signalled" | "timed-out" | "out-of-memory" | "orphaned" | "shutdown";

/** Why a process could not be started. */
export type StartFailure = "not-found" | "not-executable" | "no-such-user" | "bad-directory" | "other";

/** How a process ended, if it ever ran. */
export type ProcessEnd =
  | { readonly kind: "exited"; readonly code: number; readonly cause: EndCause }
  | { readonly kind: "signalled"; readonly signal: number; readonly cause: EndCause }
  | { readonly kind: "not-started"; readonly failure: StartFailure; readonly message: string };

/**
 * What the guest keeps of each output stream. Half of it stands behind the reader: more than what can be under way when
 * a connection is lost, which is a stream's window and the buffers at its two ends.
 */
const outputBufferBytes = 768 << 10;
/** How long the guest keeps a process whose reader was lost: longer than a reader tries to come back. */
const orphanTimeoutMs = 90_000;

/** The request as the agent's message. */
export function processSpec(request: ProcessRequest): ProcessSpec {
  const { argv, env = {}, clearEnv = false, cwd = "", user, timeoutMs = 0, killGraceMs, stdin } = request;
  const { terminal, pidsLimit, outlivesReader = false } = request;
  const limits = pidsLimit === undefined ? request.limits : { pids: pidsLimit, ...request.limits };
  return create(ProcessSpecSchema, {
    argv: [...argv],
    env: { ...env },
    clearEnv,
    cwd,
    timeoutMs: BigInt(Math.ceil(timeoutMs)),
    stdin: stdin === undefined ? StdinMode.EMPTY : StdinMode.PIPE,
    outputBufferBytes,
    ...(outlivesReader ? {} : { outputPolicy: OutputPolicy.PAUSE, orphanTimeoutMs }),
    ...(terminal === undefined ? {} : { terminal: terminalSpec(terminal) }),
    ...(limits === undefined ? {} : { limits: limitSpec(limits) }),
    ...(killGraceMs === undefined ? {} : { killGraceMs }),
    ...(user === undefined ? {} : { identity: { user: identity(user) } }),
  });
}

function terminalSpec({
  rows,
  columns,
  term = "",
}: TerminalRequest): MessageInitShape<typeof TerminalSchema> {
  return { size: { rows, columns }, term };
}

function limitSpec({
  memoryBytes = 0,
  pids = 0,
  cpuMilli = 0,
}: ProcessLimits): MessageInitShape<typeof LimitsSchema> {
  return { memoryMaxBytes: BigInt(memoryBytes), pidsMax: pids, cpuMilli };
}

function identity(
  user: string | number,
): { case: "userName"; value: string } | { case: "uid"; value: number } {
  return typeof user === "string" ? { case: "userName", value: user } : { case: "uid", value: user };
}

/** Whether it is output rather than the end. */
export function isOutput(step: ProcessOutput | ProcessEnd): step is ProcessOutput {
  return step.kind === "stdout" || step.kind === "stderr" || step.kind === "lost";
}

/** One event of the agent's as output, as an end, or as nothing of either. `malformed` where it breaks its rules. */
export function readProcessEvent({ event }: ProcessEvent): ProcessOutput | ProcessEnd | undefined {
  switch (event.case) {
    case "started":
    case undefined:
      return undefined;
    case "failed":
      return notStarted(event.value);
    case "output":
      return { kind: streamName(event.value.stream), bytes: event.value.data };
    case "lost":
      return { kind: "lost", stream: streamName(event.value.stream), sizeBytes: Number(event.value.length) };
    case "exited":
      return processEnd(event.value);
    default:
      return event satisfies never;
  }
}

function streamName(stream: OutputStream): "stdout" | "stderr" {
  return stream === OutputStream.STDERR ? "stderr" : "stdout";
}

/** How a process ended; `malformed` if no process can have. */
export function processEnd({ status, cause }: Exit): ProcessEnd {
  if (status.case === "code" && status.value <= 255) {
    return { kind: "exited", code: status.value, cause: endCauses[cause] ?? "own" };
  }
  if (status.case === "signal" && status.value >= 1 && status.value <= 64) {
    return { kind: "signalled", signal: status.value, cause: endCauses[cause] ?? "own" };
  }
  throw new KelpieError("malformed", "The guest says that a process ended as none can", {
    expected: "an exit code up to 255 or a signal from 1 to 64",
    found: `${status.case ?? "neither"} ${status.value ?? ""}`.trimEnd(),
  });
}

const endCauses: Readonly<Record<ExitCause, EndCause>> = {
  [ExitCause.UNSPECIFIED]: "own",
  [ExitCause.OWN]: "own",
  [ExitCause.SIGNALLED]: "signalled",
  [ExitCause.TIMED_OUT]: "timed-out",
  [ExitCause.OUT_OF_MEMORY]: "out-of-memory",
  [ExitCause.ORPHANED]: "orphaned",
  [ExitCause.SHUTDOWN]: "shutdown",
};

/** Why a process could not be started. */
export function notStarted({ error, message }: SpawnFailure): Extract<ProcessEnd, { kind: "not-started" }> {
  return {
    kind: "not-started",
    failure: startFailure(error),
    message: printableLine(message).slice(0, 1000),
  };
}

function startFailure(error: SpawnError): StartFailure {
  switch (error) {
    case SpawnError.NOT_FOUND:
    case SpawnError.INTERPRETER_MISSING:
      return "not-found";
    case SpawnError.NOT_EXECUTABLE:
    case SpawnError.BAD_FORMAT:
      return "not-executable";
    case SpawnError.NO_SUCH_USER:
    case SpawnError.NO_SUCH_GROUP:
      return "no-such-user";
    case SpawnError.CWD_MISSING:
    case SpawnError.CWD_FORBIDDEN:
      return "bad-directory";
    case SpawnError.UNSPECIFIED:
    case SpawnError.IDENTITY_FORBIDDEN:
    case SpawnError.ARGUMENTS_TOO_LONG:
    case SpawnError.RESOURCES:
    case SpawnError.LIMIT_REFUSED:
      return "other";
    default:
      // A newer agent may know more kinds than we do.
      return "other";
  }
}
