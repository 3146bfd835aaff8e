// Help texts, from the commands themselves.

import type { Command, CommandEntry, OptionSpec } from "./command.ts";

const introduction = `Kelpie builds, ships and boots micro-VM images for sandboxed code.

Usage: kelpie COMMAND [OPTION…]
`;

/** The list of all commands. */
export function overview(commands: readonly CommandEntry[]): string {
  return `${introduction}\nCommands:\n${summaries(commands)}\nRun \`kelpie COMMAND --help\` for its options. KELPIE_HOME (default ~/.kelpie) holds images and caches.\n`;
}

/** The list of the commands that begin with the same word. */
export function groupOverview(group: readonly CommandEntry[]): string {
  const word = group[0]?.path[0] ?? "";
  return `Usage: kelpie ${word} COMMAND [OPTION…]\n\nCommands:\n${summaries(group)}\nRun \`kelpie ${word} COMMAND --help\` for its options.\n`;
}

function summaries(commands: readonly CommandEntry[]): string {
  return table(commands.map(({ path, summary }) => [path.join(" "), summary] as const));
}

/** Help for one command. */
export function commandHelp({ path, summary }: CommandEntry, command: Command): string {
  const { positionals, options, details } = command;
  const rows = Object.entries({ ...options, help: helpOption }).map(
    ([name, option]) => [optionWords(name, option), option.help] as const,
  );
  const usage = `Usage: kelpie ${path.join(" ")} [OPTION…]${positionals === undefined ? "" : ` ${positionals}`}`;
  return `${summary}\n\n${usage}\n\nOptions:\n${table(rows)}${details === undefined ? "" : `\n${details}\n`}`;
}

/** What every command takes beside its own. */
export const helpOption: OptionSpec = { type: "boolean", help: "Show this help" };

function optionWords(name: string, { short, value }: OptionSpec): string {
  return `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`;
}

function table(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}\n`).join("");
}
