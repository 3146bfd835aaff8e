// Child processes, as an interface. A child never outlives its handle by accident: dispose kills it.

import type { Readable, Writable } from "node:stream";

/** How a process ended. */
export type ProcessExit =
  | { readonly kind: "exited"; readonly code: number }
  | { readonly kind: "signalled"; readonly signal: NodeJS.Signals };

/** What a child reads or writes: nothing, a pipe to us, our own, or an open file. */
export type ChildStream = "ignore" | "pipe" | "inherit";

/** The first descriptor of a child's {@link HandedFile}s. */
export const firstHandedDescriptor = 4;

/** A file that is opened here, with our rights, for a child to have: the descriptors are 4, 5, … in their order. */
export interface HandedFile {
  readonly path: string;
  readonly access: "read" | "update";
}

export interface SpawnOptions {
  readonly cwd?: string;
  /** The child's whole environment; ours when absent. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default `ignore`. */
  readonly stdin?: ChildStream;
  /** Default `pipe`. A path appends to that file. */
  readonly stdout?: ChildStream | { readonly appendTo: string };
  /** Default `pipe`. A path appends to that file. */
  readonly stderr?: ChildStream | { readonly appendTo: string };
  readonly handed?: readonly HandedFile[];
  /** In a process group of its own, so that a terminal's Ctrl-C does not reach it. Default false. */
  readonly ownGroup?: boolean;
  /** Runs the child as this user and group (needs root). */
  readonly uid?: number;
  readonly gid?: number;
  /** Aborting it kills the child (SIGKILL, its group too when `ownGroup`). */
  readonly signal?: AbortSignal;
}

/** A running child process. Disposing it kills it and waits until it is gone. */
export interface ChildProcess extends AsyncDisposable {
  readonly pid: number;
  /** Present when asked for as `pipe`. */
  readonly stdin: Writable | undefined;
  readonly stdout: Readable | undefined;
  readonly stderr: Readable | undefined;
  /** Resolves once the process is gone and its pipes are drained; never rejects. */
  readonly exit: Promise<ProcessExit>;
  /** Sends a signal; to the whole group when it has its own. False if it is already gone. */
  kill(signal: NodeJS.Signals): boolean;
}

/** What {@link Processes.run} returns. */
export interface ProcessResult {
  readonly exit: ProcessExit;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

export interface RunOptions extends Omit<SpawnOptions, "stdin" | "stdout" | "stderr"> {
  /** Bytes for its standard input. */
  readonly input?: Uint8Array;
  /** More output than this is `limit-exceeded`. Default 64 MiB. */
  readonly maxOutputBytes?: number;
  /** Longer than this is `timeout`. Default ten minutes. */
  readonly timeoutMs?: number;
}

export interface LaunchOptions {
  readonly cwd?: string;
  readonly handed?: readonly HandedFile[];
  /** The program's whole environment; ours when absent. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Processes {
  /** Starts a program: `missing-tool` if it is not found. Resolves once it runs. */
  spawn(command: string, args: readonly string[], options?: SpawnOptions): Promise<ChildProcess>;
  /**
   * Starts a program in a session of its own, without standard streams, that outlives us: neither our end nor the
   * terminal's reaches it. Returns its process id; `missing-tool` if it is not found.
   */
  launch(command: string, args: readonly string[], options?: LaunchOptions): Promise<number>;
  /** Resolves when no process has this id any more; it need not be our child. The signal's reason if that aborts first. */
  gone(pid: number, signal: AbortSignal): Promise<void>;
  /** Runs a program to its end and collects what it prints. A bad exit is not an error here: see `runChecked`. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<ProcessResult>;
  /** The absolute path of a program on PATH, or undefined. */
  find(command: string): Promise<string | undefined>;
  /** Whether a process with this id exists. */
  isAlive(pid: number): boolean;
  /** Sends a signal to a process that is not our child (a negative id: its group). False if it does not exist. */
  signal(pid: number, signal: NodeJS.Signals): boolean;
}
