// The sandboxes that a command is about.

import { KelpieError, type Platform, type Terminal } from "@kelpie/platform";
import { findEntry, findSandbox, type KnownSandbox, type SandboxEntry } from "@kelpie/sandbox";
import { type Command, command, type CommandContext } from "./command.ts";
import type { SandboxActionsJson } from "./json/sandbox-actions.ts";
import { printJson } from "./output/json.ts";
import { errorJson, exitCodeOf, reportError } from "./report-error.ts";

/** The sandboxes that the words name; at least one. @throws KelpieError `usage`, `not-found`. */
export async function namedSandboxes(
  context: CommandContext,
  words: readonly string[],
  example: string,
): Promise<KnownSandbox[]> {
  return await each(context, words, example, findSandbox);
}

/** As {@link namedSandboxes}, damaged ones too. */
export async function removableSandboxes(
  context: CommandContext,
  words: readonly string[],
  example: string,
): Promise<SandboxEntry[]> {
  return await each(context, words, example, findEntry);
}

async function each<S>(
  { platform, home }: CommandContext,
  words: readonly string[],
  example: string,
  find: (platform: Platform, home: string, word: string) => Promise<S>,
): Promise<S[]> {
  if (words.length === 0) throw needed(example);
  const found: S[] = [];
  for (const word of words) found.push(await find(platform, home, word));
  return found;
}

/** The first word, which names a sandbox, and the rest. @throws KelpieError `usage`. */
export function firstWord(words: readonly string[], example: string): readonly [string, ...string[]] {
  const [first, ...rest] = words;
  if (first === undefined) throw needed(example);
  return [first, ...rest];
}

function needed(example: string): KelpieError {
  return new KelpieError("usage", "This command needs a sandbox's name or id", {
    help: `For example: ${example}\nSee what there is: kelpie sandbox list`,
  });
}

/** What came of one sandbox. */
type Outcome =
  | { readonly sandbox: SandboxEntry; readonly reports: readonly string[] | undefined }
  | { readonly sandbox: SandboxEntry; readonly error: unknown };

/** Does the same with each, and says which was done, and what failed; each has its turn. Returns the exit code of the first failure. */
export async function forEachSandbox<S extends SandboxEntry>(
  { terminal }: CommandContext,
  sandboxes: readonly S[],
  json: boolean,
  act: (sandbox: S) => Promise<readonly string[] | undefined>,
): Promise<number> {
  const outcomes = await Promise.all(
    sandboxes.map((sandbox): Promise<Outcome> => {
      return act(sandbox).then(
        (reports) => ({ sandbox, reports }),
        (error: unknown) => ({ sandbox, error }),
      );
    }),
  );
  if (json) printJson<SandboxActionsJson>(terminal, { sandboxes: outcomes.map(outcomeJson) });
  else for (const outcome of outcomes) sayOutcome(terminal, outcome);
  const failed = outcomes.find((outcome) => "error" in outcome);
  return failed === undefined ? 0 : exitCodeOf(failed.error);
}

function outcomeJson(outcome: Outcome): SandboxActionsJson["sandboxes"][number] {
  const { id, record } = outcome.sandbox;
  const name = record?.name;
  return "error" in outcome
    ? { id, name, error: errorJson(outcome.error) }
    : { id, name, reports: outcome.reports };
}

function sayOutcome(terminal: Terminal, outcome: Outcome): void {
  if ("error" in outcome) {
    reportError(terminal, outcome.error, false);
    return;
  }
  const { id, record } = outcome.sandbox;
  for (const report of outcome.reports ?? []) terminal.stderr.write(`kelpie: ${report}\n`);
  terminal.stdout.write(`${record?.name ?? id}\n`);
}

/** The command `kelpie sandbox NAME SANDBOX…`, which does one thing with each and prints their names. */
export function sandboxAction(
  name: string,
  act: (platform: Platform, sandbox: KnownSandbox) => Promise<void>,
  help: { readonly details?: string } = {},
): Command {
  return command({
    positionals: "SANDBOX…",
    options: {},
    json: () => import("./json/sandbox-actions.ts"),
    ...help,
    async run(context, { positionals, json }) {
      const found = await namedSandboxes(context, positionals, `kelpie sandbox ${name} brave-kelpie`);
      return await forEachSandbox(context, found, json, async (sandbox) => {
        await act(context.platform, sandbox);
        return undefined;
      });
    },
  });
}
