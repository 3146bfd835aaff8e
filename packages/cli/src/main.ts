// The kelpie command: finds the command that the words name, runs it, and reports how it failed.

import { kelpieHome } from "@kelpie/images";
import { KelpieError, realPlatform, runMain, type Terminal } from "@kelpie/platform";
import { findCommand, parseInput } from "./arguments.ts";
import { commands } from "./commands/index.ts";
import { commandHelp, overview } from "./help.ts";
import { thisInstallation } from "./installation.ts";
import { reportError } from "./report-error.ts";

async function main(words: readonly string[], terminal: Terminal, signal: AbortSignal): Promise<number> {
  if (words.length === 0 || words[0] === "help" || words[0] === "--help" || words[0] === "-h") {
    terminal.stdout.write(overview(commands));
    return 0;
  }
  const found = findCommand(commands, words);
  if (found === undefined) return reportError(terminal, unknownCommand(words), false);
  const { command, rest } = found;
  // The words after "--" belong to somebody else's command.
  const own = rest.includes("--") ? rest.slice(0, rest.indexOf("--")) : rest;
  try {
    const positionalAt = command.passThrough === true ? own.findIndex((word) => !word.startsWith("-")) : -1;
    if (
      (positionalAt < 0 ? own : own.slice(0, positionalAt)).some((word) => word === "--help" || word === "-h")
    ) {
      terminal.stdout.write(commandHelp(command));
      return 0;
    }
    const context = {
      platform: realPlatform,
      terminal,
      installation: thisInstallation(),
      home: kelpieHome(realPlatform.host),
      signal,
    };
    return await command.run(context, parseInput(command, rest));
  } catch (error) {
    const code = reportError(terminal, error, own.includes("--json"));
    const isUsage = KelpieError.is(error) && error.code === "usage";
    return isUsage ? code : (command.errorExitCode ?? code);
  }
}

function unknownCommand(words: readonly string[]): KelpieError {
  const group = commands.filter(({ path }) => path[0] === words[0]).map(({ path }) => path.join(" "));
  return new KelpieError("usage", `There is no command ${JSON.stringify(words.slice(0, 2).join(" "))}`, {
    help:
      group.length > 0 ? `Did you mean: ${group.join(", ")}?` : "Run `kelpie help` for the list of commands.",
  });
}

await runMain(main);
