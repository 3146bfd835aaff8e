// What can go wrong in a call to the agent, as one KelpieError.

import { Code, ConnectError } from "@connectrpc/connect";
import { cancelled, KelpieError } from "@kelpie/platform";
import { printable } from "../vmm/printable.ts";

const messageLimitCharacters = 1000;

/** `error`, thrown by a call that was to do `what` until `signal`. */
export function guestError(what: string, error: unknown, signal: AbortSignal): KelpieError {
  if (signal.aborted) return cancelled(signal);
  if (KelpieError.is(error)) return error;
  const { code, rawMessage, cause, metadata } = ConnectError.from(error);
  if (KelpieError.is(cause)) return cause;
  const errno = metadata.get("kelpie-errno");
  const found = printable(rawMessage).slice(0, messageLimitCharacters);
  // An error that is not the agent's answer comes from the stream underneath.
  const isLost = isLoss(code) || (code === Code.Unknown && cause instanceof Error);
  return new KelpieError(isLost ? "guest-lost" : "guest-refused", `The guest failed to ${what}`, {
    found: errno === null ? `${found} (${Code[code]})` : `${found} (${printable(errno)})`,
    cause: error,
  });
}

/** Codes that speak of the connection rather than of the request. */
function isLoss(code: Code): boolean {
  return (
    code === Code.Unavailable || code === Code.Canceled || code === Code.Aborted || code === Code.Internal
  );
}
