// kelpie sandbox logs

import { command } from "../command.ts";
import { printLogs } from "../sandbox-logs.ts";
import { firstWord } from "../sandbox-reference.ts";

export const sandboxLogs = command({
  positionals: "SANDBOX",
  options: {
    console: { type: "boolean", help: "The guest's console [default]" },
    agent: { type: "boolean", help: "What the guest's agent has written" },
    monitor: { type: "boolean", help: "What the virtual machine monitor has written" },
    follow: { type: "boolean", short: "f", help: "Go on until the sandbox ends, or Ctrl-C" },
  },
  details: "Of each log its end is kept: 512 KiB to 1 MiB of the console. Control sequences are left out.",
  async run(context, { options, positionals }) {
    const [reference] = firstWord(positionals, "kelpie sandbox logs brave-kelpie");
    const which = options.agent === true ? "agent" : options.monitor === true ? "monitor" : "console";
    await printLogs(context, reference, which, options.follow === true);
    return 0;
  },
});
