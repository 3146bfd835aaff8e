// Commands in sandboxes as `exec`, `shell` and `attach` run them: streams, terminal, signals and exit code joined.

import { KelpieError, type Terminal } from "@kelpie/platform";
import {
  type Execution,
  interact,
  Keyboard,
  listProcesses,
  type ProcessRequest,
  resize,
  type Sandbox,
  type SandboxProcess,
} from "@kelpie/sandbox";

const loginShell =
  'for shell in /bin/bash /bin/ash /bin/sh; do [ -x "$shell" ] && exec "$shell" -l; done; exit 127';

/** What is joined with the process. */
export interface Joined {
  readonly stdin: boolean;
  /** Gives it a terminal. */
  readonly terminal: boolean;
  /** Whether ctrl-p ctrl-q leaves it running. */
  readonly detachKeys: boolean;
}

/** A login shell: the best that there is. */
export const shellRequest: ProcessRequest = { argv: ["/bin/sh", "-c", loginShell] };

/** Whether a person sits in front of both ends. */
export function isInteractive({ isTerminal }: Terminal): boolean {
  return isTerminal.stdin && isTerminal.stdout;
}

/** Runs a process to its end, or until the person detaches. Returns the exit code. */
export async function execIn(
  sandbox: Sandbox,
  terminal: Terminal,
  request: ProcessRequest,
  joined: Joined,
  signal: AbortSignal,
): Promise<number> {
  if (joined.terminal) requireTerminal(terminal);
  const keyboard = new Keyboard(terminal.stdin, { detachKeys: joined.detachKeys });
  const stop = AbortSignal.any([signal, keyboard.detached]);
  const execution = sandbox.exec(
    {
      ...request,
      ...(joined.stdin ? { stdin: keyboard } : {}),
      ...(joined.terminal ? { terminal: sizeOf(terminal) } : {}),
      outlivesReader: joined.detachKeys,
    },
    stop,
  );
  return await join(sandbox, terminal, execution, keyboard, joined.terminal);
}

/** How to attach. */
export interface AttachChoice {
  /** The only one that runs, when absent. */
  readonly processId: string | undefined;
  readonly stdin: boolean;
  readonly offsets: { readonly stdout: number; readonly stderr: number };
}

/** Attaches to a process that runs, or has ended and is remembered. Returns its exit code. */
export async function attachIn(
  sandbox: Sandbox,
  terminal: Terminal,
  { processId, stdin, offsets }: AttachChoice,
  signal: AbortSignal,
): Promise<number> {
  const { id, hasTerminal } = chooseProcess(await listProcesses(sandbox, signal), processId, sandbox.name);
  const isFull = hasTerminal && isInteractive(terminal);
  const keyboard = new Keyboard(terminal.stdin, { detachKeys: terminal.isTerminal.stdin });
  const execution = sandbox.attach(id, {
    offsets,
    ...(stdin ? { stdin: keyboard } : {}),
    signal: AbortSignal.any([signal, keyboard.detached]),
  });
  if (isFull) await resize(execution, terminal.keys);
  return await join(sandbox, terminal, execution, keyboard, isFull);
}

async function join(
  sandbox: Sandbox,
  { stdout, stderr, keys }: Terminal,
  execution: Execution,
  { detached }: Keyboard,
  hasTerminal: boolean,
): Promise<number> {
  try {
    const how = await interact(execution, { stdout, stderr, keys, detached }, hasTerminal);
    if (how.kind === "ended") return how.code;
    stderr.write(`\r\nkelpie: detached: kelpie sandbox attach ${sandbox.name} ${execution.id}\n`);
    return 0;
  } catch (error) {
    throw await sandbox.explain(error);
  }
}

function chooseProcess(
  processes: readonly SandboxProcess[],
  wanted: string | undefined,
  sandbox: string,
): SandboxProcess {
  const running = processes.filter(({ isRunning }) => isRunning);
  const candidates = wanted === undefined ? running : processes.filter(({ id }) => id.startsWith(wanted));
  const [only, ...more] = candidates;
  if (only !== undefined && more.length === 0) return only;
  const help = processChoice(wanted === undefined && running.length > 0 ? running : processes, sandbox);
  if (wanted === undefined) {
    throw running.length === 0
      ? new KelpieError("not-found", `No process runs in ${sandbox} that can be attached to`, { help })
      : new KelpieError("usage", `Several processes run in ${sandbox}: say which`, { help });
  }
  const what = candidates.length === 0 ? "There is no process" : "There is more than one process";
  throw new KelpieError("not-found", `${what} ${JSON.stringify(wanted)} in ${sandbox}`, { help });
}

const shownProcesses = 20;
const shownCharacters = 60;

/** The newest processes, a line each; how to start one, where there is none. */
function processChoice(processes: readonly SandboxProcess[], sandbox: string): string {
  const shown = processes.slice(-shownProcesses).map(({ id, argv, isRunning }) => {
    const words = argv.join(" ");
    const text = words.length > shownCharacters ? `${words.slice(0, shownCharacters)}…` : words;
    return `${id}  ${isRunning ? "runs " : "ended"}  ${text}`;
  });
  const start = `Start one: kelpie sandbox exec --detach ${sandbox} -- COMMAND`;
  return shown.length === 0 ? start : ["There are:", ...shown, start].join("\n");
}

function sizeOf({ keys }: Terminal): { readonly rows: number; readonly columns: number } {
  return keys.size() ?? { rows: 24, columns: 80 };
}

function requireTerminal(terminal: Terminal): void {
  if (isInteractive(terminal)) return;
  throw new KelpieError("usage", "--tty needs a terminal on standard input and output", {
    help: "Leave --tty out where input or output is a pipe or a file.",
  });
}
