// A program that cannot outlive us, however we end.

import { KelpieError, type Platform } from "@kelpie/platform";

type Parts = Pick<Platform, "processes" | "host">;

/** A program and its arguments. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

/**
 * `command` wrapped so that the system kills it (SIGKILL) when this process is gone, `kill -9` included.
 * On Linux the kernel does it (prctl PR_SET_PDEATHSIG through util-linux's `setpriv`). Elsewhere a shell waits for the
 * end of its standard input, a pipe from us that the caller must ask for with {@link TiedCommand.needsStdinPipe}.
 */
export interface TiedCommand extends Command {
  readonly needsStdinPipe: boolean;
}

export interface TieOptions {
  /**
   * Whether the program, where root starts it on Linux, loses all of root's power but that over files (capabilities(7)):
   * no devices, no modules, no network or mount settings, no other processes, and none of it ever again.
   */
  readonly withoutPower?: boolean;
  /** Runs it as a user without any right (needs root, on Linux). */
  readonly as?: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] };
}

/** See {@link TiedCommand}. `missing-tool` on a Linux without util-linux. */
export async function tieToUs(
  platform: Parts,
  command: Command,
  options: TieOptions = {},
): Promise<TiedCommand> {
  if (platform.host.operatingSystem !== "linux") return tieByPipe(command);
  return { ...(await tieToParent(platform, command, options)), needsStdinPipe: false };
}

// Images and directories may be anybody's: without these, root could not open what an ordinary user can open for himself.
const powerOverFiles = "-all,+dac_override,+chown,+fowner";

/** `command` such that on Linux the kernel kills it when its parent is gone; elsewhere as it is. */
export async function tieToParent(
  { processes, host }: Parts,
  command: Command,
  options: TieOptions = {},
): Promise<Command> {
  if (host.operatingSystem !== "linux") return command;
  const setpriv = await processes.find("setpriv");
  if (setpriv === undefined) {
    throw new KelpieError("missing-tool", "Cannot tie QEMU to its parent without setpriv", {
      help: "apt-get install util-linux (Alpine: apk add setpriv)",
    });
  }
  return {
    program: setpriv,
    args: [
      ...["--pdeathsig", "KILL", "--no-new-privs"],
      ...rightsLeft(options, host.uid === 0),
      ...["--", command.program, ...command.args],
    ],
  };
}

function rightsLeft({ withoutPower = false, as }: TieOptions, isRoot: boolean): string[] {
  if (as !== undefined) {
    const groups = as.groups.length === 0 ? "--clear-groups" : `--groups=${as.groups.join(",")}`;
    return [`--reuid=${as.uid}`, `--regid=${as.gid}`, groups, "--inh-caps=-all", "--bounding-set=-all"];
  }
  return withoutPower && isRoot ? ["--inh-caps=-all", `--bounding-set=${powerOverFiles}`] : [];
}

// Job control being off, the shell gives background jobs /dev/null as input: the pipe travels as descriptor 3.
const shellScript = `
exec 3<&0 </dev/null
"$@" 3<&- &
child=$!
(while read -r line <&3; do :; done; kill -KILL "$child") >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$child"
status=$?
kill -KILL "$watcher"
exit "$status"
`;

/** The portable way. A child ended by a signal shows as exit code 128 + its number. */
export function tieByPipe({ program, args }: Command): TiedCommand {
  return { program: "/bin/sh", args: ["-c", shellScript, "sh", program, ...args], needsStdinPipe: true };
}
