// Copying between this machine and a sandbox as the command does it: sides told apart, progress shown.

import { KelpieError } from "@kelpie/platform";
import { type Copied, copyIn, copyOut, Sandbox } from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";
import { Phases } from "./output/phases.ts";
import { formatSize } from "./output/size.ts";

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
  const sides = words.map(parseSide);
  const sources = sides.slice(0, -1);
  const destination = sides.at(-1);
  if (destination === undefined || sources.length === 0)
    throw usage("a source and a destination", words.join(" "));
  const outOf = new Set(sources.map(({ sandbox }) => sandbox));
  const [from] = outOf;
  if (outOf.size > 1 || (from === undefined) === (destination.sandbox === undefined)) {
    throw usage(
      "all sources on this machine and the destination in a sandbox, or the other way round",
      words.join(" "),
    );
  }
  const { platform, terminal, home, signal } = context;
  await using sandbox = await Sandbox.open(from ?? destination.sandbox ?? "", { platform, home, signal });
  const phases = new Phases(terminal, platform.clock);
  const startMs = platform.clock.monotonicMs();
  const options = {
    ...{ platform, files: sandbox.files, signal },
    ...(maxBytes === undefined ? {} : { maxBytes }),
    ...(owner === undefined ? {} : { owner: parseOwner(owner) }),
    onProgress: (bytes: number) => {
      if (terminal.isTerminal.stderr) phases.now("copy", formatSize(bytes));
    },
  };
  const paths = sources.map(({ path }) => path);
  const copied: Copied =
    from === undefined
      ? await copyIn(options, paths, destination.path)
      : await copyOut(options, paths, destination.path);
  for (const line of copied.skipped) terminal.stderr.write(`kelpie: left out: ${line}\n`);
  if (terminal.isTerminal.stderr) {
    phases.done("copy", platform.clock.monotonicMs() - startMs, formatSize(copied.bytes));
  }
  return copied;
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
