// What can go wrong in a call to the agent, as one KelpieError.

import { Code, ConnectError } from "@connectrpc/connect";
import { cancelled, KelpieError, type KelpieErrorCode, printableLine } from "@kelpie/platform";

const messageLimitCharacters = 1000;

/** `error`, thrown by a call that was to do `what` until `signal`. */
export function guestError(what: string, error: unknown, signal: AbortSignal): KelpieError {
  if (signal.aborted) return cancelled(signal);
  if (KelpieError.is(error)) return error;
  const { rawMessage, cause, code } = ConnectError.from(error);
  if (KelpieError.is(cause)) return cause;
  const errno = errnoOf(error);
  const found = printableLine(rawMessage)
    // Rust's number for what the errno names.
    .replaceAll(/ \(os error \d+\)/gu, "")
    .slice(0, messageLimitCharacters);
  return new KelpieError(isLoss(error) ? "guest-lost" : "guest-refused", `The guest failed to ${what}`, {
    found: errno === null ? `${found} (${Code[code]})` : `${found} (${errno})`,
    cause: error,
  });
}

/** Whether a call failed because its connection did. */
export function isLoss(error: unknown): boolean {
  if (KelpieError.is(error)) return error.code === "guest-lost";
  const { code, cause } = ConnectError.from(error);
  if (KelpieError.is(cause)) return cause.code === "guest-lost";
  // An error that is not the agent's answer comes from the stream underneath.
  return lossCodes.has(code) || (code === Code.Unknown && cause instanceof Error);
}

const lossCodes: ReadonlySet<Code> = new Set([Code.Unavailable, Code.Canceled, Code.Aborted, Code.Internal]);

/** Whether a call failed because the agent did not answer in time, as one that stands still does. */
export function isTimeout(error: unknown): boolean {
  const cause = error instanceof ConnectError ? error.cause : error;
  return KelpieError.is(cause) && cause.code === "timeout";
}

/** Whether the agent does not know the process that a call was about. */
export function isUnknownProcess(error: unknown): boolean {
  return error instanceof ConnectError && error.code === Code.NotFound;
}

/** The instance of the agent that refused what was meant for another; undefined for any other error. */
export function refusingInstance(error: unknown): string | undefined {
  if (!(error instanceof ConnectError) || error.code !== Code.FailedPrecondition) return undefined;
  const instanceId = error.metadata.get("kelpie-instance") ?? "";
  return /^[0-9a-f]{32}$/.test(instanceId) ? instanceId : undefined;
}

/** As {@link guestError}, with a code of its own for what file systems refuse. */
export function fileError(what: string, error: unknown, signal: AbortSignal): KelpieError {
  const told = guestError(what, error, signal);
  const code = errnoCodes.get(errnoOf(error) ?? "");
  if (told.code !== "guest-refused" || code === undefined) return told;
  return new KelpieError(code, told.summary, { found: told.found ?? "", cause: error });
}

/** A map: the guest chooses the name, and an object has more names than were put into it. */
const errnoCodes: ReadonlyMap<string, KelpieErrorCode> = new Map([
  ["ENOENT", "not-found"],
  ["EEXIST", "already-exists"],
  ["EACCES", "permission-denied"],
  ["EPERM", "permission-denied"],
  ["EROFS", "read-only"],
  ["ENOSPC", "disk-full"],
  ["EDQUOT", "disk-full"],
  ["EXDEV", "unsafe-path"],
] as const);

/** The kernel's error, where the agent names one. */
function errnoOf(error: unknown): string | null {
  const errno = error instanceof ConnectError ? error.metadata.get("kelpie-errno") : null;
  return errno !== null && /^E[A-Z0-9]{1,20}$/.test(errno) ? errno : null;
}
