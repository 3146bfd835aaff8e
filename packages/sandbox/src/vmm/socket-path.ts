// How long the path of a Unix socket may be.

import { KelpieError } from "@kelpie/platform";

/** `sun_path` of a Unix socket's address, less its end; 104 on macOS. */
const socketPathLimitBytes = 103;

/** @throws KelpieError `invalid-input` for a path that no socket can have */
export function requireShortPath(socket: string): void {
  const length = Buffer.byteLength(socket);
  if (length <= socketPathLimitBytes) return;
  throw new KelpieError("invalid-input", "The path of a socket would be too long", {
    expected: `at most ${socketPathLimitBytes} bytes`,
    found: `${length}`,
    where: socket,
    help: "Set KELPIE_HOME to a shorter path.",
  });
}
