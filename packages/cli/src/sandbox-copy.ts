// Copying between this machine and a sandbox as the command does it: sides told apart, progress shown.

import { KelpieError, printableLine } from "@kelpie/platform";
import {
  type Copied,
  copyIn,
  type CopyOptions,
  copyOut,
  copyStreamIn,
  openGuestPath,
  Sandbox,
  writeOutput,
} from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";
import { Phases } from "./output/phases.ts";
import { formatSize } from "./output/size.ts";

/** Stands for standard input and output. */
const stream = "-";
const progressEveryMs = 100;
const example = "kelpie sandbox cp report.txt brave-kelpie:/root/";

/** What may be asked for. */
export interface CopyChoice {
  /** `UID:GID`. */
  readonly owner: string | undefined;
  readonly maxBytes: number | undefined;
}

/** A path of this machine, or of a sandbox. */
type Side = { readonly sandbox: string | undefined; readonly path: string };

/** Copies all but the last of `words` to the last. @throws KelpieError `usage` */
export async function copyFiles(
  context: CommandContext,
  words: readonly string[],
  { owner, maxBytes }: CopyChoice,
): Promise<Copied> {
  const { sources, destination, from, sandbox: reference } = sidesOf(words);
  const { platform, terminal, home, signal } = context;
  const options = {
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(owner === undefined ? {} : { owner: parseOwner(owner) }),
  };
  await using sandbox = await Sandbox.open(reference, { platform, home, signal });
  const phases = new Phases(terminal, platform.clock);
  const startMs = platform.clock.monotonicMs();
  const onProgress = progress(context, phases);
  const copied = await copyBetween(
    context,
    { ...options, platform, files: sandbox.files, signal, onProgress },
    { sources, destination, isOut: from !== undefined },
  );
  for (const line of copied.skipped) terminal.stderr.write(`kelpie: left out: ${printableLine(line)}\n`);
  if (terminal.isTerminal.stderr) {
    phases.done("copy", platform.clock.monotonicMs() - startMs, formatSize(copied.bytes));
  }
  return copied;
}

/** Says how much has gone over, no more often than it can be read. */
function progress({ platform, terminal }: CommandContext, phases: Phases): (bytes: number) => void {
  let lastMs = platform.clock.monotonicMs();
  return (bytes) => {
    const nowMs = platform.clock.monotonicMs();
    if (!terminal.isTerminal.stderr || nowMs - lastMs < progressEveryMs) return;
    lastMs = nowMs;
    phases.now("copy", formatSize(bytes));
  };
}

interface Sides {
  readonly sources: readonly string[];
  readonly destination: string;
  readonly isOut: boolean;
}

async function copyBetween(
  context: CommandContext,
  options: CopyOptions,
  { sources, destination, isOut }: Sides,
): Promise<Copied> {
  if (isOut && destination === stream) return await copyToOutput(context, options, sources);
  if (isOut) return await copyOut(options, sources, destination);
  if (!sources.includes(stream)) return await copyIn(options, sources, destination);
  if (sources.length > 1) throw usage("standard input (-) alone", sources.join(" "));
  const input: AsyncIterable<Uint8Array> = context.terminal.stdin;
  return { bytes: await copyStreamIn(options, input, destination), skipped: [] };
}

async function copyToOutput(
  { terminal }: CommandContext,
  options: CopyOptions,
  sources: readonly string[],
): Promise<Copied> {
  let bytes = 0;
  for (const path of sources) {
    const { kind, content } = await openGuestPath(options, path);
    if (kind === "tar" && (sources.length > 1 || terminal.isTerminal.stdout)) {
      throw usage("one directory, which comes as a tar archive, for a file or a pipe", printableLine(path));
    }
    for await (const chunk of content) {
      bytes += chunk.length;
      if (!(await writeOutput(terminal.stdout, chunk))) return { bytes, skipped: [] };
    }
  }
  return { bytes, skipped: [] };
}

/** Which side is the sandbox's. @throws KelpieError `usage` */
function sidesOf(words: readonly string[]): {
  readonly sources: readonly string[];
  readonly destination: string;
  /** Undefined where it goes in. */
  readonly from: string | undefined;
  readonly sandbox: string;
} {
  if (words.length < 2)
    throw usage("a source and a destination", words.length === 0 ? "neither" : "one of them");
  const sides = words.map(parseSide);
  const sources = sides.slice(0, -1);
  const destination = sides.at(-1);
  const [from] = new Set(sources.map(({ sandbox }) => sandbox));
  const sandbox = from ?? destination?.sandbox;
  const isOne = sources.every((source) => source.sandbox === from);
  if (!isOne || sandbox === undefined || (from === undefined) === (destination?.sandbox === undefined)) {
    throw usage(
      "all sources on this machine and the destination in a sandbox, as SANDBOX:PATH, or the other way round",
      words.join(" "),
    );
  }
  return { sources: sources.map(({ path }) => path), destination: destination?.path ?? "", from, sandbox };
}

/** `SANDBOX:PATH`, or a path: one with a slash before the first colon is of this machine. A sandbox's is absolute. */
function parseSide(word: string): Side {
  const match = /^([a-z0-9][a-z0-9._-]*):(.*)$/s.exec(word);
  const [, sandbox, path = ""] = match ?? [];
  if (sandbox === undefined) return { sandbox: undefined, path: word };
  return { sandbox, path: path.startsWith("/") ? path : `/${path}` };
}

function parseOwner(text: string): { readonly uid: number; readonly gid: number } {
  const match = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(text);
  if (match === null) throw usage("an owner as UID or UID:GID", text);
  return { uid: Number(match[1]), gid: Number(match[2] ?? match[1]) };
}

function usage(expected: string, found: string): KelpieError {
  return new KelpieError("usage", "This cannot be copied", {
    expected,
    found,
    help: `For example: ${example}`,
  });
}
