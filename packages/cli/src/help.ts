// Help texts, from the commands themselves.

import type { Command, CommandEntry, OptionSpec } from "./command.ts";
import { environment } from "./environment.ts";
import { examples } from "./examples.ts";

const introduction = `Kelpie builds, ships and boots micro-VM images for sandboxed code.

Usage: kelpie COMMAND [OPTION…]
`;

/** The list of all commands. */
export function overview(commands: readonly CommandEntry[], columns?: number): string {
  return `${introduction}\nCommands:\n${summaries(commands, columns)}\nEnvironment:\n${table(environment, columns)}\nRun \`kelpie COMMAND --help\` for its options and an example.\n`;
}

/** The list of the commands that begin with the same word. */
export function groupOverview(group: readonly CommandEntry[], columns?: number): string {
  const word = group[0]?.path[0] ?? "";
  return `Usage: kelpie ${word} COMMAND [OPTION…]\n\nCommands:\n${summaries(group, columns)}\nRun \`kelpie ${word} COMMAND --help\` for its options.\n`;
}

function summaries(commands: readonly CommandEntry[], columns?: number): string {
  return table(
    commands.map(({ path, summary }) => [path.join(" "), summary] as const),
    columns,
  );
}

/** Help for one command, for a terminal of so many columns; as wide as it comes where that is not known. */
export function commandHelp(
  { path, summary }: CommandEntry,
  command: Command,
  columns = Number.POSITIVE_INFINITY,
): string {
  const { positionals, options, details } = command;
  const rows = Object.entries({ ...options, help: helpOption }).map(
    ([name, option]) => [optionWords(name, option), option.help] as const,
  );
  const usage = `Usage: kelpie ${path.join(" ")} [OPTION…]${positionals === undefined ? "" : ` ${positionals}`}`;
  const rest = details === undefined ? "" : `\n${details}\n`;
  const shown = (examples[path.join(" ")] ?? []).map((example) => `  ${example}\n`).join("");
  const forExample = shown === "" ? "" : `\nFor example:\n${shown}`;
  const text = `${wrapped(summary, columns)}\n\n${usage}\n\nOptions:\n${table(rows, columns)}`;
  return text + (columns >= detailsColumns ? rest : wrapped(rest, columns)) + forExample;
}

/** What every command takes beside its own. */
export const helpOption: OptionSpec = { type: "boolean", help: "Show this help" };

function optionWords(name: string, { short, value }: OptionSpec): string {
  return `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}

/** Their lines are broken by hand. */
const detailsColumns = 124;
/** A text in a narrower column than this is harder to read than one on lines of its own. */
const narrowestColumn = 30;
const indent = 10;

function table(rows: readonly (readonly [string, string])[], columns = Number.POSITIVE_INFINITY): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  const room = columns - width - 5;
  return rows
    .map(([left, right]) => {
      if (room >= narrowestColumn)
        return `  ${left.padEnd(width)}  ${wrapped(right, room).replaceAll("\n", `\n${" ".repeat(width + 4)}`)}\n`;
      const text = wrapped(right, Math.max(1, columns - indent - 1));
      return `  ${left}\n${" ".repeat(indent)}${text.replaceAll("\n", `\n${" ".repeat(indent)}`)}\n`;
    })
    .join("");
}

/** Lines that are longer broken at spaces; a word that is longer stays whole. */
function wrapped(text: string, columns: number): string {
  return text
    .split("\n")
    .map((line) => {
      let width = 0;
      return line
        .split(" ")
        .map((word, index) => {
          const isNext = index > 0 && width + 1 + word.length <= columns;
          const before = index === 0 ? "" : isNext ? " " : "\n";
          width = (isNext ? width + 1 : 0) + word.length;
          return before + word;
        })
        .join("");
    })
    .join("\n");
}
