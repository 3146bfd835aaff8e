// Real child processes, on node:child_process.

import {
  spawn as nodeSpawn,
  type ChildProcess as NodeChild,
  type SpawnOptions as NodeSpawnOptions,
} from "node:child_process";
import { accessSync, closeSync, constants, openSync, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import type { Readable } from "node:stream";
import { KelpieError } from "../errors.ts";
import type {
  ChildProcess,
  ChildStream,
  HandedFile,
  LaunchOptions,
  ProcessExit,
  ProcessResult,
  Processes,
  RunOptions,
  SpawnOptions,
} from "../processes.ts";
import { cancelled, realClock } from "./clock.ts";

const defaultMaxOutputBytes = 64 << 20;
const defaultTimeoutMs = 600_000;
const longestLookMs = 50;

class RealChild implements ChildProcess {
  readonly pid: number;
  readonly stdin: ChildProcess["stdin"];
  readonly stdout: ChildProcess["stdout"];
  readonly stderr: ChildProcess["stderr"];
  readonly exit: Promise<ProcessExit>;
  readonly #node: NodeChild;
  readonly #ownGroup: boolean;
  #gone = false;

  constructor(node: NodeChild, pid: number, ownGroup: boolean) {
    this.#node = node;
    this.pid = pid;
    this.#ownGroup = ownGroup;
    this.stdin = node.stdin ?? undefined;
    this.stdout = node.stdout ?? undefined;
    this.stderr = node.stderr ?? undefined;
    // A reader that has gone away must not end us: the exit tells what happened.
    this.stdin?.on("error", () => undefined);
    node.once("exit", () => (this.#gone = true));
    this.exit = new Promise((resolve) => {
      node.once("close", (code, signal) => {
        resolve(signal === null ? { kind: "exited", code: code ?? 1 } : { kind: "signalled", signal });
      });
    });
  }

  kill(signal: NodeJS.Signals): boolean {
    if (this.#ownGroup) return realProcesses.signal(-this.pid, signal);
    return !this.#gone && this.#node.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#gone) this.kill("SIGKILL");
    this.stdout?.destroy();
    this.stderr?.destroy();
    await this.exit;
  }
}

function stdio(
  stream: ChildStream | { readonly appendTo: string } | undefined,
  opened: number[],
): ChildStream | number {
  if (stream === undefined) return "pipe";
  if (typeof stream === "string") return stream;
  const descriptor = openSync(stream.appendTo, "a", 0o600);
  opened.push(descriptor);
  return descriptor;
}

/** Opens what a child is handed, from descriptor 4 on; 3 is left to whoever starts programs in shells. */
function handOver(handed: readonly HandedFile[], opened: number[]): ("ignore" | number)[] {
  const descriptors = handed.map(({ path, access }) => {
    const descriptor = openHanded(path, access);
    opened.push(descriptor);
    return descriptor;
  });
  return descriptors.length === 0 ? [] : ["ignore", ...descriptors];
}

function openHanded(path: string, access: HandedFile["access"]): number {
  try {
    return openSync(path, access === "read" ? "r" : "r+");
  } catch (cause) {
    const isMissing = cause instanceof Error && "code" in cause && cause.code === "ENOENT";
    throw new KelpieError(isMissing ? "not-found" : "permission-denied", "Cannot open a file for a program", {
      where: path,
      cause,
    });
  }
}

async function spawn(
  command: string,
  args: readonly string[],
  options: SpawnOptions = {},
): Promise<ChildProcess> {
  if (options.signal?.aborted === true) throw cancelled(options.signal);
  const opened: number[] = [];
  const ownGroup = options.ownGroup ?? false;
  const streams = (): NonNullable<NodeSpawnOptions["stdio"]> => [
    ...[options.stdin ?? "ignore", stdio(options.stdout, opened), stdio(options.stderr, opened)],
    ...handOver(options.handed ?? [], opened),
  ];
  const nodeOptions: NodeSpawnOptions = {
    detached: ownGroup,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: { ...options.env } }),
    ...(options.uid === undefined ? {} : { uid: options.uid }),
    ...(options.gid === undefined ? {} : { gid: options.gid }),
  };
  try {
    const node = nodeSpawn(command, [...args], { ...nodeOptions, stdio: streams() });
    await new Promise<void>((resolve, reject) => {
      node.once("spawn", resolve);
      node.once("error", (cause) => reject(cannotStart(command, cause)));
    });
    const child = new RealChild(node, node.pid ?? 0, ownGroup);
    const kill = (): void => void child.kill("SIGKILL");
    options.signal?.addEventListener("abort", kill, { once: true });
    void child.exit.then(() => options.signal?.removeEventListener("abort", kill));
    return child;
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

async function launch(
  command: string,
  args: readonly string[],
  { cwd, env, handed = [] }: LaunchOptions = {},
): Promise<number> {
  const opened: number[] = [];
  try {
    const node = nodeSpawn(command, [...args], {
      stdio: ["ignore", "ignore", "ignore", ...handOver(handed, opened)],
      detached: true,
      ...(cwd === undefined ? {} : { cwd }),
      ...(env === undefined ? {} : { env: { ...env } }),
    });
    await new Promise<void>((resolve, reject) => {
      node.once("spawn", resolve);
      node.once("error", (cause) => reject(cannotStart(command, cause)));
    });
    node.unref();
    return node.pid ?? 0;
  } finally {
    for (const descriptor of opened) closeSync(descriptor);
  }
}

/** No event tells of the end of a process that is not our child, so this looks, less and less often. */
async function gone(pid: number, stop: AbortSignal): Promise<void> {
  for (let waitMs = 1; realProcesses.isAlive(pid); waitMs = Math.min(2 * waitMs, longestLookMs)) {
    await realClock.sleep(waitMs, stop);
  }
}

function cannotStart(command: string, cause: NodeJS.ErrnoException): KelpieError {
  const missing = cause.code === "ENOENT";
  return new KelpieError(missing ? "missing-tool" : "process-failed", `Cannot start ${command}`, {
    found: missing ? "no such program or working directory" : cause.message,
    cause,
  });
}

async function collect(stream: Readable | undefined, maxBytes: number, what: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > maxBytes) {
      throw new KelpieError("limit-exceeded", `${what} printed too much`, {
        expected: `at most ${maxBytes} bytes`,
      });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProcessResult> {
  const {
    input,
    maxOutputBytes = defaultMaxOutputBytes,
    timeoutMs = defaultTimeoutMs,
    signal,
    ...rest
  } = options;
  using deadline = realClock.deadline(timeoutMs, command);
  const stop = signal === undefined ? deadline.signal : AbortSignal.any([signal, deadline.signal]);
  await using child = await spawn(command, args, {
    ...rest,
    stdin: input === undefined ? "ignore" : "pipe",
    signal: stop,
  });
  child.stdin?.end(input);
  const [stdout, stderr] = await Promise.all([
    collect(child.stdout, maxOutputBytes, command),
    collect(child.stderr, maxOutputBytes, command),
  ]);
  const exit = await child.exit;
  if (stop.aborted) throw cancelled(stop);
  return { exit, stdout, stderr: stderr.toString("utf8") };
}

function find(command: string): Promise<string | undefined> {
  const candidates = isAbsolute(command)
    ? [command]
    : (process.env["PATH"] ?? "").split(delimiter).map((directory) => join(directory || ".", command));
  return Promise.resolve(candidates.find(isExecutableFile));
}

function isExecutableFile(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function signal(pid: number, name: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    // EPERM means that it exists and belongs to another user.
    return name === 0 && error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

export const realProcesses: Processes = {
  spawn,
  launch,
  gone,
  run,
  find,
  isAlive: (pid) => signal(pid, 0),
  signal,
};
