// kelpie sandbox shell

import { Sandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { execIn, isInteractive, shellRequest } from "../sandbox-exec.ts";
import { firstWord } from "../sandbox-reference.ts";

export const sandboxShell = command({
  positionals: "SANDBOX",
  options: {},
  errorExitCode: 125,
  details:
    "On a terminal ctrl-p ctrl-q leaves the shell running; else it reads its commands from standard input.",
  async run({ platform, terminal, home, signal }, { positionals }) {
    const [reference] = firstWord(positionals, "kelpie sandbox shell brave-kelpie");
    await using sandbox = await Sandbox.open(reference, { platform, home, signal });
    const tty = isInteractive(terminal);
    return await execIn(
      sandbox,
      terminal,
      shellRequest,
      { stdin: true, terminal: tty, detachKeys: tty },
      signal,
    );
  },
});
