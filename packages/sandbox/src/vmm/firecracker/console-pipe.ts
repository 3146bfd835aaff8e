// Firecracker's console, kept whole. It writes each byte of the guest's by itself and without waiting, and what does not fit
// is lost. The sockets that Node.js gives a child as standard output hold some 270 writes, whatever their length; a pipe holds
// 64 KiB.

import type { Command } from "../tied-command.ts";

/** In the working directory, for as long as it takes to open it. A keeper's has the same name. */
export const consolePipe = ".console";

const script = `
mkfifo -m 600 "$0" || exit
cat "$0" &
exec 4>"$0"
rm -f "$0"
exec "$@" >&4 4>&-
`;

/** `command` with a pipe to a process that passes on what it writes. It is replaced by the command, and ends as that does. */
export function withConsolePipe({ program, args }: Command): Command {
  return { program: "/bin/sh", args: ["-c", script, consolePipe, program, ...args] };
}
