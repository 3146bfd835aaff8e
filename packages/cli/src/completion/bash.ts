// Completion for bash, 3.2 and newer: one function of cases.

import { architectures } from "@kelpie/platform";
import { type CommandWords, groups, nextWords, type OptionWords, type ValueKind } from "./vocabulary.ts";

/** The script. */
export function bashCompletion(commands: readonly CommandWords[]): string {
  const words = ["", ...groups(commands)].map((prefix) => wordsCase(commands, prefix));
  return `# Completion of kelpie's words for bash: eval "$(kelpie completion bash)"
_kelpie() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} word path="" words=""
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$word" in
      -*) break ;;
    esac
    case "$path \${word}" in
${groups(commands)
  .map((group) => `      " ${group}") path=${group} ;;`)
  .join("\n")}
${commands.map(({ path }) => `      ${JSON.stringify(pathPattern(path))}) path=${JSON.stringify(path)}; break ;;`).join("\n")}
      *) path="$path \${word}"; break ;;
    esac
  done
  case "$path" in
${words.join("\n")}
${commands.map(commandCase).join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _kelpie kelpie ./kelpie
`;
}

/** What path and word are together when the word completes the path of a command. */
function pathPattern(path: string): string {
  return path.includes(" ") ? path : ` ${path}`;
}

function wordsCase(commands: readonly CommandWords[], prefix: string): string {
  return `    ${JSON.stringify(prefix)}) words=${JSON.stringify(nextWords(commands, prefix).join(" "))} ;;`;
}

function commandCase({ path, options }: CommandWords): string {
  const taking = options.filter(({ value }) => value !== undefined);
  const values = taking.map(
    (option) => `        ${names(option).join("|")}) ${valueAction(option.value)} ;;`,
  );
  const inner = values.length === 0 ? "" : `\n      case "$previous" in\n${values.join("\n")}\n      esac`;
  const all = options.flatMap(names).join(" ");
  return `    ${JSON.stringify(path)})${inner}
      case "$current" in -*) words=${JSON.stringify(all)} ;; esac ;;`;
}

function names({ long, short }: OptionWords): string[] {
  return short === undefined ? [long] : [long, short];
}

function valueAction(value: ValueKind | undefined): string {
  switch (value) {
    case "architecture":
      return `COMPREPLY=($(compgen -W "${[...architectures, "all"].join(" ")}" -- "$current")); return`;
    case "directory":
      return `COMPREPLY=($(compgen -d -- "$current")); return`;
    case "file":
      return "return";
    case "other":
    case undefined:
      return "return";
    default:
      return value satisfies never;
  }
}
