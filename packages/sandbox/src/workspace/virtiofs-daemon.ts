// virtiofsd: the daemon behind a virtio-fs device. One serves one directory to one machine, and ends when that goes.

import type { Readable } from "node:stream";
import { type ChildProcess, KelpieError, type Platform, printable } from "@kelpie/platform";
import { orAborted } from "../or-aborted.ts";
import { untilPresent } from "../until-present.ts";
import { readLines } from "../qmp/lines.ts";
import { tieToUs } from "../vmm/tied-command.ts";

/** Where distributions put it: outside PATH. */
const places = ["/usr/libexec/virtiofsd", "/usr/lib/qemu/virtiofsd", "/usr/lib/virtiofsd"];
/** How a person gets it. */
export const virtioFsInstallation =
  "Debian 12: apt-get install qemu-system-common; Debian 13 and Alpine: the package virtiofsd.";
const groupsHelp =
  "QEMU's virtiofsd serves root, and users who are in no other group than their own. Share by 9p or disk, or install the virtiofsd written in Rust.";
const rustVersion = /^virtiofsd (?:backend )?v?\d/m;
const listensWithinMs = 10_000;
const lineLimitBytes = 64 << 10;
const linesKept = 10;

/** Its two implementations differ in their options: the one of QEMU before 8.0, and the one in Rust. */
export interface VirtioFsDaemon {
  readonly program: string;
  readonly flavour: "qemu" | "rust";
}

/** A guest's root can make no device of the host's, and no program that has powers on the host. */
const withoutPowers = "-mknod:-setfcap";

type Parts = Pick<Platform, "clock" | "files" | "processes" | "host">;

/** The installed one, or undefined. */
export async function findVirtioFsDaemon({
  files,
  processes,
}: Pick<Platform, "files" | "processes">): Promise<VirtioFsDaemon | undefined> {
  const onPath = await processes.find("virtiofsd");
  for (const program of onPath === undefined ? places : [onPath, ...places]) {
    if ((await files.stat(program)) === undefined) continue;
    const { stdout } = await processes.run(program, ["--version"], { timeoutMs: 10_000 });
    // QEMU's does not even tell its version to an ordinary user.
    return { program, flavour: rustVersion.test(Buffer.from(stdout).toString()) ? "rust" : "qemu" };
  }
  return undefined;
}

export interface VirtioFsOptions {
  /** The directory, without symlinks in its path. */
  readonly source: string;
  readonly readOnly: boolean;
  /** Where it listens. */
  readonly socket: string;
  readonly signal: AbortSignal;
}

/** The daemon's command line, for whoever runs as `uid`. */
export function virtioFsCommand(
  { program, flavour }: VirtioFsDaemon,
  { source, readOnly, socket }: Pick<VirtioFsOptions, "source" | "readOnly" | "socket">,
  uid: number,
): readonly [command: string, ...args: string[]] {
  const isRoot = uid === 0;
  const options =
    flavour === "qemu"
      ? [
          `--socket-path=${socket}`,
          "-o",
          `source=${source}`,
          "-o",
          `sandbox=namespace,xattr,cache=auto,modcaps=${withoutPowers}`,
          "-f",
        ]
      : [
          `--socket-path=${socket}`,
          `--shared-dir=${source}`,
          "--sandbox=namespace",
          "--xattr",
          "--cache=auto",
          `--modcaps=${withoutPowers}`,
        ];
  // A user's own namespace makes an ordinary user root of it, which is all that the daemon needs, and all it can do. And a
  // mount namespace makes the directory read only for the daemon, whatever the guest asks of it.
  const unshare = ["unshare", "--mount", ...(isRoot ? [] : ["--user", "--map-root-user"]), "--"] as const;
  const preparations = [
    // Where QEMU's writes its process id, which is root's place: this one is its own, and gone with it.
    ...(flavour === "qemu" && !isRoot && ![source, socket].some(isUnderRun)
      ? ["mount -t tmpfs run /run"]
      : []),
    ...(readOnly ? ['mount --bind "$1" "$1"', 'mount -o remount,bind,ro "$1"'] : []),
  ];
  if (isRoot && preparations.length === 0) return [program, ...options];
  const script = [...preparations, "cd /", "shift", 'exec "$@"'].join(" && ");
  return [...unshare, "sh", "-c", script, "sh", source, program, ...options];
}

const isUnderRun = (path: string): boolean => /^(?:\/var)?\/run\//.test(path);

/**
 * Starts the daemon and waits until it listens. It dies with this process, and with its machine.
 *
 * @throws KelpieError `missing-tool`, or `process-failed` with the daemon's words
 */
export async function startVirtioFsDaemon(platform: Parts, options: VirtioFsOptions): Promise<ChildProcess> {
  const { clock, processes } = platform;
  const [program, ...args] = await commandFor(platform, options);
  const command = await tieToUs(platform, { program, args });
  const child = await processes.spawn(command.program, command.args, {
    stdin: command.needsStdinPipe ? "pipe" : "ignore",
    stdout: "ignore",
    ownGroup: true,
  });
  using deadline = clock.deadline(listensWithinMs, "virtiofsd's start");
  const stop = AbortSignal.any([options.signal, deadline.signal]);
  try {
    await orAborted(untilItListens(child), stop);
    return child;
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * As {@link startVirtioFsDaemon}, for a machine that outlives this process: so does the daemon, until the machine's end.
 * Disposing ends it at once.
 */
export async function launchVirtioFsDaemon(
  platform: Parts,
  options: VirtioFsOptions,
): Promise<AsyncDisposable> {
  const { clock, files, processes } = platform;
  const [program, ...args] = await commandFor(platform, options);
  const pid = await processes.launch(program, args);
  const end = (): Promise<void> => Promise.resolve(void processes.signal(-pid, "SIGTERM"));
  try {
    await untilPresent({ clock, files }, options.socket, listensWithinMs, options.signal);
  } catch (error) {
    await end();
    throw error;
  }
  return { [Symbol.asyncDispose]: end };
}

async function commandFor(
  platform: Parts,
  options: VirtioFsOptions,
): Promise<readonly [string, ...string[]]> {
  const daemon = await findVirtioFsDaemon(platform);
  if (daemon !== undefined) return virtioFsCommand(daemon, options, platform.host.uid);
  throw new KelpieError("missing-tool", "virtiofsd is not installed", {
    help: virtioFsInstallation,
  });
}

/** It says so on its standard error, which is read to its end so that it never waits for us. */
async function untilItListens(child: ChildProcess): Promise<void> {
  const listening = Promise.withResolvers<undefined>();
  void follow(child.stderr, listening.resolve).then(async (words) => {
    const exit = await child.exit;
    listening.reject(
      new KelpieError("process-failed", "virtiofsd did not start", {
        found: [exit.kind === "exited" ? `exit code ${exit.code}` : exit.signal, ...words].join("\n"),
        ...(words.some((line) => line.startsWith("setgroups() failed")) ? { help: groupsHelp } : {}),
      }),
    );
  });
  await listening.promise;
}

async function follow(stderr: Readable | undefined, onListening: (_: undefined) => void): Promise<string[]> {
  const words: string[] = [];
  try {
    if (stderr === undefined) return words;
    const chunks: AsyncIterable<Uint8Array> = stderr;
    for await (const line of readLines(chunks, lineLimitBytes)) {
      words.push(printable(line));
      if (words.length > linesKept) words.shift();
      if (line.includes("Waiting for vhost-user socket connection")) onListening(undefined);
    }
  } catch {
    // Whatever became of its words: its end is what tells.
  }
  return words;
}
