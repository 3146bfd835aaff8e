// A process in the guest, as people ask for it and as it ends: the agent's messages checked and made small.

import { create } from "@bufbuild/protobuf";
import { KelpieError } from "@kelpie/platform";
import { printable } from "../vmm/printable.ts";
import {
  type Exit,
  ExitCause,
  OutputStream,
  type ProcessEvent,
  type ProcessSpec,
  ProcessSpecSchema,
  type SpawnFailure,
  SpawnError,
  StdinMode,
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

/** The request as the agent's message. */
export function processSpec(request: ProcessRequest): ProcessSpec {
  const {
    argv,
    env = {},
    clearEnv = false,
    cwd = "",
    user,
    timeoutMs = 0,
    killGraceMs,
    pidsLimit,
    stdin,
  } = request;
  return create(ProcessSpecSchema, {
    argv: [...argv],
    env: { ...env },
    clearEnv,
    cwd,
    timeoutMs: BigInt(Math.ceil(timeoutMs)),
    stdin: stdin === undefined ? StdinMode.EMPTY : StdinMode.PIPE,
    ...(killGraceMs === undefined ? {} : { killGraceMs }),
    ...(pidsLimit === undefined ? {} : { limits: { pidsMax: pidsLimit } }),
    ...(user === undefined ? {} : { identity: { user: identity(user) } }),
  });
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

function notStarted({ error, message }: SpawnFailure): ProcessEnd {
  return { kind: "not-started", failure: startFailure(error), message: printable(message).slice(0, 1000) };
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
