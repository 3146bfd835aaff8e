// From the words of a command line to a command and its input.

import { parseArgs } from "node:util";
import { describeError, KelpieError } from "@kelpie/platform";
import { nearest } from "./nearest.ts";
import type { Command, CommandEntry, CommandInput, OptionSpecs, OptionValues } from "./command.ts";

/** The command that the leading words name, and the words that are left. */
export function findCommand(
  commands: readonly CommandEntry[],
  words: readonly string[],
): { readonly entry: CommandEntry; readonly rest: readonly string[] } | undefined {
  const longestFirst = commands.toSorted((a, b) => b.path.length - a.path.length);
  const entry = longestFirst.find(({ path }) => path.every((word, index) => words[index] === word));
  return entry === undefined ? undefined : { entry, rest: words.slice(entry.path.length) };
}

/** Whether a word that stands by itself is among those that are the command's own, and no guest's. */
export function hasWord(command: Command, words: readonly string[], ...wanted: readonly string[]): boolean {
  return ownWords(command, words).some((word) => wanted.includes(word));
}

function ownWords(command: Command, words: readonly string[]): readonly string[] {
  const end = command.passThrough === true ? passThroughStart(command, words) : words.length;
  const dashes = words.indexOf("--");
  return words.slice(0, dashes === -1 ? end : Math.min(end, dashes));
}

/**
 * @param path the command's words, for the way to its help.
 * @throws KelpieError `usage` for an unknown option, a missing value or a positional too many.
 */
export function parseInput(
  command: Command,
  words: readonly string[],
  path: readonly string[] = [],
): CommandInput<OptionSpecs> {
  const split = command.passThrough === true ? passThroughStart(command, words) : words.length;
  try {
    const { values, positionals } = parseArgs({
      args: words.slice(0, split),
      options: Object.fromEntries(
        Object.entries(command.options).map(([name, { type, short, multiple = false }]) => [
          name,
          short === undefined ? { type, multiple } : { type, multiple, short },
        ]),
      ),
      allowPositionals: command.positionals !== undefined,
      strict: true,
    });
    const rest = words.slice(split);
    const all = [...positionals, ...(rest[0] === "--" ? rest.slice(1) : rest)];
    requireNoMore(command, path, all);
    return {
      options: values as OptionValues<OptionSpecs>,
      positionals: all,
      json: values["json"] === true,
    };
  } catch (error) {
    throw KelpieError.is(error) ? error : wrongWords(command, path, describeError(error));
  }
}

/** A word that the usage line has no place for is an error of the person's, and nothing to be silent about. */
function requireNoMore(
  { positionals: places = "", passThrough }: Command,
  path: readonly string[],
  words: readonly string[],
): void {
  if (passThrough === true || /[…|]/.test(places)) return;
  const surplus = words[places.split(" ").length];
  if (surplus === undefined) return;
  throw new KelpieError("usage", `Unexpected argument ${JSON.stringify(surplus)}`, {
    expected: places,
    help: `See: kelpie ${[...path, "--help"].join(" ")}`,
  });
}

/** Index of "--" or of the first word that is neither an option nor an option's value. */
function passThroughStart(command: Command, words: readonly string[]): number {
  for (let index = 0; index < words.length; index++) {
    const word = words[index] ?? "";
    if (word === "--" || !word.startsWith("-")) return index;
    if (takesValue(command, word)) index++;
  }
  return words.length;
}

function takesValue(command: Command, word: string): boolean {
  return Object.entries(command.options).some(
    ([name, { type, short }]) =>
      type === "string" && (word === `--${name}` || (short !== undefined && word === `-${short}`)),
  );
}

/** What the parser says in our words; of what it says else the first sentence, for the rest advises on its own API. */
function wrongWords(command: Command, path: readonly string[], message: string): KelpieError {
  const option = /'(?:-\w, )?(--?[\w-]+)/.exec(message)?.[1] ?? "";
  const meant = message.startsWith("Unknown option")
    ? nearest(
        option,
        [...Object.keys(command.options), "help"].map((name) => `--${name}`),
      )
    : undefined;
  const help = `See: kelpie ${[...path, "--help"].join(" ")}`;
  return new KelpieError("usage", summaryOf(message, option), {
    help: meant === undefined ? help : `Did you mean ${meant}? ${help}`,
  });
}

function summaryOf(message: string, option: string): string {
  if (message.includes("argument missing")) return `Option ${option} needs a value`;
  if (message.includes("ambiguous"))
    return `Option ${option} needs a value, and one that begins with a dash stands behind an equals sign: ${option}=-1`;
  return message.split(/\. |\n/)[0] ?? message;
}
