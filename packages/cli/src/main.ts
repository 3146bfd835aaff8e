// The kelpie command: finds the command that the words name, runs it, and reports how it failed.

import { KelpieError, kelpieHome, realPlatform, runMain, type Terminal } from "@kelpie/platform";
import { findCommand, hasWord, parseInput } from "./arguments.ts";
import type { CommandEntry } from "./command.ts";
import { commands } from "./commands/index.ts";
import { commandHelp, groupOverview, overview } from "./help.ts";
import { thisInstallation } from "./installation.ts";
import { nearest } from "./nearest.ts";
import { reportError } from "./report-error.ts";
import { requireUsableHome, withHomeHelp } from "./usable-home.ts";

async function main(words: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  if (words.length === 0 || isHelp(words[0])) {
    terminal.stdout.write(overview(commands, terminal.keys.size()?.columns));
    return 0;
  }
  if (words[0] === "--version" || words[0] === "-V") return main(["version"], terminal, signal);
  if (words[0] === "help") return main([...words.slice(1), "--help"], terminal, signal);
  const found = findCommand(commands, words);
  const group = commands.filter(({ path }) => path[0] === words[0]);
  if (found === undefined && group.length > 0 && (words.length === 1 || isHelp(words[1]))) {
    terminal.stdout.write(groupOverview(group, terminal.keys.size()?.columns));
    return 0;
  }
  if (found === undefined) return reportError(terminal, unknownCommand(words), words.includes("--json"));
  return runCommand(found.entry, found.rest, terminal, signal);
}

async function runCommand(
  entry: CommandEntry,
  words: readonly string[],
  terminal: Terminal,
  signal: AbortSignal,
): Promise<number> {
  const command = await entry.load();
  // It is heeded even where the words are wrong.
  const json = command.json !== undefined && hasWord(command, words, "--json");
  const home = kelpieHome(realPlatform.host);
  try {
    if (hasWord(command, words, "--help", "-h")) {
      terminal.stdout.write(commandHelp(entry, command, terminal.keys.size()?.columns));
      return 0;
    }
    const input = parseInput(command, words, entry.path);
    if (command.withoutHome !== true) await requireUsableHome(realPlatform.files, home);
    return await command.run(
      { platform: realPlatform, terminal, installation: thisInstallation(), home, signal },
      input,
    );
  } catch (error) {
    const code = reportError(terminal, withHomeHelp(error, home), json);
    const isUsage = KelpieError.is(error) && error.code === "usage";
    return isUsage ? code : (command.errorExitCode ?? code);
  }
}

function isHelp(word: string | undefined): boolean {
  return word === "--help" || word === "-h";
}

function unknownCommand(words: readonly string[]): KelpieError {
  const isGroup = commands.some(({ path }) => path.length > 1 && path[0] === words[0]);
  const typed = words
    .filter((word) => !word.startsWith("-"))
    .slice(0, isGroup ? 2 : 1)
    .join(" ");
  if (typed === "") {
    return new KelpieError("usage", `There is no option ${JSON.stringify(words[0])} before a command`, {
      help: "See: kelpie help",
    });
  }
  const first = commands.map(({ path: [word = ""] }) => word);
  const meant = nearest(typed, [...commands.map(({ path }) => path.join(" ")), ...first]);
  const help = `See: kelpie ${isGroup ? `${words[0] ?? ""} --help` : "help"}`;
  return new KelpieError("usage", `There is no command ${JSON.stringify(typed)}`, {
    help: meant === undefined ? help : `Did you mean kelpie ${meant}? ${help}`,
  });
}

void runMain(main);
