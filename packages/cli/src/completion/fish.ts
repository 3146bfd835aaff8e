// Completion for fish: a line for each word.

import { architectures } from "@kelpie/platform";
import { type CommandWords, groups, type OptionWords, type ValueKind } from "./vocabulary.ts";

/** The script. */
export function fishCompletion(commands: readonly CommandWords[]): string {
  const lines = [
    "# Completion of kelpie's words for fish: kelpie completion fish | source",
    "complete -c kelpie -e",
    ...commands.filter(({ path }) => !path.includes(" ")).map(({ path, summary }) => word(path, summary, [])),
    ...groups(commands).map((group) => word(group, `Commands about ${group}`, [])),
    ...commands
      .filter(({ path }) => path.includes(" "))
      .map(({ path, summary }) => {
        const [group = "", name = ""] = path.split(" ");
        return word(name, summary, [group]);
      }),
    ...commands.flatMap((command) => command.options.map((option) => optionLine(command.path, option))),
  ];
  return `${lines.join("\n")}\n`;
}

/** A line for a word that may stand after the words `before`. */
function word(name: string, summary: string, before: readonly string[]): string {
  const condition =
    before.length === 0
      ? "__fish_use_subcommand"
      : `__fish_seen_subcommand_from ${before.join(" ")}; and test (count (commandline -opc)) -eq ${before.length + 1}`;
  return `complete -c kelpie -f -n ${quoted(condition)} -a ${name} -d ${quoted(summary)}`;
}

function optionLine(path: string, { long, short, value, help }: OptionWords): string {
  const condition = path
    .split(" ")
    .map((name) => `__fish_seen_subcommand_from ${name}`)
    .join("; and ");
  const parts = [
    `complete -c kelpie -n ${quoted(condition)}`,
    `-l ${long.slice(2)}`,
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...valueWords(value),
    `-d ${quoted(help)}`,
  ];
  return parts.join(" ");
}

function valueWords(value: ValueKind | undefined): string[] {
  switch (value) {
    case undefined:
      return [];
    case "architecture":
      return ["-x", "-a", quoted([...architectures, "all"].join(" "))];
    case "directory":
      return ["-x", "-a", quoted("(__fish_complete_directories)")];
    case "file":
      return ["-r", "-F"];
    case "other":
      return ["-x"];
    default:
      return value satisfies never;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
