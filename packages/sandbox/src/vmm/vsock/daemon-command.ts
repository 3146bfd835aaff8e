// The daemon behind a vhost-user vsock device (vhost-device-vsock), started such that it ends with its QEMU.

import { KelpieError, type Platform } from "@kelpie/platform";
import type { Command } from "../tied-command.ts";

/** Every daemon has one guest, and knows of no other: the number need not differ. */
export const daemonGuestCid = 3;

/** Where the daemon listens. */
export interface DaemonSockets {
  /** For QEMU. */
  readonly vhost: string;
  /** For connections of the host. */
  readonly host: string;
}

// Only the kernel ends the daemon in every case: it goes on to serve the next QEMU when one has gone. Its parent is this
// shell, which becomes QEMU. Descriptor 3 is QEMU's alone.
const script = `
setpriv=$1 daemon=$2 cid=$3 vhost=$4 host=$5
shift 5
"$setpriv" --pdeathsig KILL -- "$daemon" --guest-cid "$cid" --socket "$vhost" --uds-path "$host" </dev/null >&2 3<&- &
daemon=$!
until [ -S "$vhost" ]; do
  kill -0 "$daemon" || exit 1
  sleep 0.01
done
exec "$@"
`;

/** `monitor` with the daemon beside it. What the daemon says comes on the monitor's standard error. `missing-tool`. */
export async function withVsockDaemon(
  { processes }: Pick<Platform, "processes">,
  monitor: Command,
  daemon: string,
  { vhost, host }: DaemonSockets,
): Promise<Command> {
  const setpriv = await processes.find("setpriv");
  if (setpriv === undefined) {
    throw new KelpieError("missing-tool", "Cannot tie the vsock daemon to QEMU without setpriv", {
      help: "apt-get install util-linux (Alpine: apk add setpriv)",
    });
  }
  const words = [setpriv, daemon, String(daemonGuestCid), vhost, host];
  return { program: "/bin/sh", args: ["-c", script, "sh", ...words, monitor.program, ...monitor.args] };
}
