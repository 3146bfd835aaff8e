// The sandboxes that a command is about.

import { KelpieError } from "@kelpie/platform";
import { findEntry, findSandbox, type KnownSandbox, type SandboxEntry } from "@kelpie/sandbox";
import type { CommandContext } from "./command.ts";

/** The sandboxes that the words name; at least one. @throws KelpieError `usage`, `not-found`. */
export async function namedSandboxes(
  { platform, home }: CommandContext,
  words: readonly string[],
  example: string,
): Promise<KnownSandbox[]> {
  if (words.length === 0) throw needed(example);
  const found: KnownSandbox[] = [];
  for (const word of words) found.push(await findSandbox(platform, home, word));
  return found;
}

/** As {@link namedSandboxes}, damaged ones too. */
export async function removableSandboxes(
  { platform, home }: CommandContext,
  words: readonly string[],
  example: string,
): Promise<SandboxEntry[]> {
  if (words.length === 0) throw needed(example);
  const found: SandboxEntry[] = [];
  for (const word of words) found.push(await findEntry(platform, home, word));
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
