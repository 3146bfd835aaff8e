// The exit code of `kelpie run` for each way in which a command ends, as a shell and coreutils' `timeout` have them.

import type { ProcessEnd } from "../agent/process.ts";

/** As coreutils' `timeout`. */
export const timedOut = 124;
const cannotRun = 125;
const notExecutable = 126;
const notFound = 127;
const signalBase = 128;

/** When whoever read our output has gone: what a shell shows for a process that SIGPIPE ended. */
export const outputClosed = signalBase + 13;

export function exitCodeOf(end: ProcessEnd): number {
  switch (end.kind) {
    case "exited":
      return end.cause === "timed-out" ? timedOut : end.code;
    case "signalled":
      return end.cause === "timed-out" ? timedOut : signalBase + end.signal;
    case "not-started":
      return exitCodeOfFailure(end.failure);
    default:
      return end satisfies never;
  }
}

function exitCodeOfFailure(failure: Extract<ProcessEnd, { kind: "not-started" }>["failure"]): number {
  switch (failure) {
    case "not-found":
      return notFound;
    case "not-executable":
      return notExecutable;
    case "no-such-user":
    case "bad-directory":
    case "other":
      return cannotRun;
    default:
      return failure satisfies never;
  }
}
