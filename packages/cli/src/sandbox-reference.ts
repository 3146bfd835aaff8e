// The sandboxes that a command is about.

import { KelpieError, type Platform } from "@kelpie/platform";
import { findEntry, findSandbox, type KnownSandbox, type SandboxEntry } from "@kelpie/sandbox";
import { type Command, command, type CommandContext } from "./command.ts";

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

/** Does the same with each, and says which was done; the first failure is thrown after the others had their turn. */
export async function forEachSandbox<S extends SandboxEntry>(
  { terminal }: CommandContext,
  sandboxes: readonly S[],
  act: (sandbox: S) => Promise<string>,
): Promise<number> {
  const results = await Promise.allSettled(sandboxes.map(act));
  for (const result of results) if (result.status === "fulfilled") terminal.stdout.write(`${result.value}\n`);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
  return 0;
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
    ...help,
    async run(context, { positionals }) {
      const found = await namedSandboxes(context, positionals, `kelpie sandbox ${name} brave-kelpie`);
      return await forEachSandbox(context, found, async (sandbox) => {
        await act(context.platform, sandbox);
        return sandbox.record.name;
      });
    },
  });
}
