// kelpie sandbox attach

import { Sandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { parseOffset } from "../quantity.ts";
import { attachIn } from "../sandbox-exec.ts";
import { firstWord } from "../sandbox-reference.ts";

export const sandboxAttach = command({
  positionals: "SANDBOX [PROCESS]",
  errorExitCode: 125,
  options: {
    "no-stdin": { type: "boolean", help: "Only look on" },
    "stdout-offset": {
      type: "string",
      value: "BYTES",
      help: "Leave this much of its output out [default: 0]",
    },
    "stderr-offset": {
      type: "string",
      value: "BYTES",
      help: "Leave this much of its errors out [default: 0]",
    },
  },
  details:
    "PROCESS is what `exec --detach` printed, or its beginning; the only one that runs, when absent. What the process has\nwritten so far comes first, as far as the guest has kept it. Exits as the process does.",
  async run({ platform, terminal, home, signal }, { options, positionals }) {
    const [reference, processId] = firstWord(positionals, "kelpie sandbox attach brave-kelpie");
    const offsets = {
      stdout: parseOffset(options["stdout-offset"] ?? "0"),
      stderr: parseOffset(options["stderr-offset"] ?? "0"),
    };
    await using sandbox = await Sandbox.open(reference, { platform, home, signal });
    return await attachIn(
      sandbox,
      terminal,
      { processId, stdin: options["no-stdin"] !== true, offsets },
      signal,
    );
  },
});
