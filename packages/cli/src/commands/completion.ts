// kelpie completion

import { KelpieError } from "@kelpie/platform";
import { command } from "../command.ts";
import { bashCompletion } from "../completion/bash.ts";
import { fishCompletion } from "../completion/fish.ts";
import { type CommandWords, vocabulary } from "../completion/vocabulary.ts";
import { zshCompletion } from "../completion/zsh.ts";
import { commands } from "./index.ts";

const shells: Readonly<Record<string, (words: readonly CommandWords[]) => string>> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export const completion = command({
  withoutHome: true,
  positionals: "bash|zsh|fish",
  options: {},
  details: [
    'bash: put this into ~/.bashrc:               eval "$(kelpie completion bash)"',
    'zsh:  put this into ~/.zshrc, after compinit: eval "$(kelpie completion zsh)"',
    "fish: kelpie completion fish > ~/.config/fish/completions/kelpie.fish",
  ].join("\n"),
  async run({ terminal }, { positionals }) {
    const [shell = "", ...more] = positionals;
    const script = Object.hasOwn(shells, shell) && more.length === 0 ? shells[shell] : undefined;
    if (script === undefined) {
      throw new KelpieError("usage", "This command takes the name of one shell", {
        expected: Object.keys(shells).join(", "),
        found: positionals.join(" "),
        help: "For example: kelpie completion bash",
      });
    }
    terminal.stdout.write(script(await vocabulary(commands)));
    return 0;
  },
});
