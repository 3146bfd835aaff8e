// Firecracker's console and log, kept whole. It writes each byte of the guest's by itself and without waiting, and what does
// not fit is lost. The sockets that Node.js gives a child as standard output hold some 270 writes, whatever their length; a
// pipe holds 64 KiB. And Firecracker opens its log by a path, which a pipe has and a socket has not.

import type { Command } from "../tied-command.ts";

/** In the working directory, for as long as it takes to open them. A keeper's have the same names. */
export const pipeNames = [".console", ".words"] as const;

const script = `
console=$0 words=$1
shift
mkfifo -m 600 "$console" "$words" || exit
cat "$console" &
cat "$words" >&2 &
exec 4>"$console" 5>"$words"
rm -f "$console" "$words"
exec "$@" >&4 2>&5 4>&- 5>&-
`;

/** `command` with pipes to processes that pass on what it writes. It is replaced by the command, and ends as that does. */
export function withPipes({ program, args }: Command): Command {
  return { program: "/bin/sh", args: ["-c", script, ...pipeNames, program, ...args] };
}
