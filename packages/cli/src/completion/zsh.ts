// Completion for zsh, by its own _arguments and _describe.

import { architectures } from "@kelpie/platform";
import { type CommandWords, groups, type OptionWords, type ValueKind } from "./vocabulary.ts";

/** The script, for `eval` or for a file `_kelpie` on zsh's fpath. */
export function zshCompletion(commands: readonly CommandWords[]): string {
  return `#compdef kelpie
# Completion of kelpie's words for zsh: eval "$(kelpie completion zsh)"
_kelpie() {
  local -a names
  if (( CURRENT == 2 )); then
    names=(
${firstWords(commands).map(described).join("\n")}
    )
    _describe command names
    return
  fi
  case "\${words[2]}" in
${groups(commands)
  .map((group) => groupCase(commands, group))
  .join("\n")}
${commands
  .filter(({ path }) => !path.includes(" "))
  .map((command) => `    ${command.path}) shift words; (( CURRENT-- )); ${argumentsOf(command)} ;;`)
  .join("\n")}
  esac
}
if [[ "\${funcstack[1]}" == _kelpie ]]; then _kelpie "$@"; else compdef _kelpie kelpie; fi
`;
}

interface Described {
  readonly word: string;
  readonly summary: string;
}

function firstWords(commands: readonly CommandWords[]): Described[] {
  const single = commands.filter(({ path }) => !path.includes(" "));
  return [
    ...single.map(({ path, summary }) => ({ word: path, summary })),
    ...groups(commands).map((group) => ({ word: group, summary: `Commands about ${group}` })),
  ];
}

function groupCase(commands: readonly CommandWords[], group: string): string {
  const below = commands.filter(({ path }) => path.startsWith(`${group} `));
  const lastWord = (path: string): string => path.slice(group.length + 1);
  return `    ${group})
      if (( CURRENT == 3 )); then
        names=(
${below.map(({ path, summary }) => described({ word: lastWord(path), summary })).join("\n")}
        )
        _describe command names
        return
      fi
      case "\${words[3]}" in
${below
  .map(
    (command) =>
      `        ${lastWord(command.path)}) shift 2 words; (( CURRENT -= 2 )); ${argumentsOf(command)} ;;`,
  )
  .join("\n")}
      esac ;;`;
}

function described({ word, summary }: Described): string {
  return `      ${quoted(`${word}:${summary.replaceAll(":", "\\:")}`)}`;
}

function argumentsOf({ options, passThrough }: CommandWords): string {
  const specs = options.flatMap((option) => optionSpecs(option).map(quoted));
  return ["_arguments -S", ...specs, passThrough ? `'*::command: _normal'` : `'*:file:_files'`].join(" ");
}

function optionSpecs({ long, short, value, help }: OptionWords): string[] {
  const text = `[${help.replaceAll(/[[\]:\\]/g, "\\$&")}]${value === undefined ? "" : `:value:${valueAction(value)}`}`;
  return (short === undefined ? [long] : [long, short]).map((name) => `${name}${text}`);
}

function valueAction(value: ValueKind): string {
  switch (value) {
    case "architecture":
      return `(${[...architectures, "all"].join(" ")})`;
    case "directory":
      return "_files -/";
    case "file":
      return "_files";
    case "other":
      return " ";
    default:
      return value satisfies never;
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
