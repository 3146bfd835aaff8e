// kelpie run

import { KelpieError } from "@kelpie/platform";
import { workspaceTarget } from "@kelpie/sandbox";
import { attachmentOptions, isLeftToUs, openAttachments } from "../attachment-options.ts";
import { command } from "../command.ts";
import { parseSeconds } from "../quantity.ts";
import { describeSandbox, sandboxOptions } from "../sandbox-options.ts";
import { runGuestCommand } from "../sandbox.ts";

export const run = command({
  positionals: "-- COMMAND [ARG…]",
  passThrough: true,
  errorExitCode: 125,
  options: {
    ...sandboxOptions,
    timeout: {
      type: "string",
      value: "SECONDS",
      help: "End the command, and all that it started, after this long",
    },
    timing: { type: "boolean", help: "Print how long each step took" },
    ...attachmentOptions,
    "net-log": {
      type: "string",
      value: "FILE",
      help: "Write every connection and denial of --net allow= to this file, as lines of JSON",
    },
  },
  details:
    "With a workspace the command starts in /workspace.\n\nExits as the command does: its code, 128 + N if signal N ended it, 124 at the timeout, 126 where the command is not\nexecutable, 127 where it is not found, 125 where Kelpie failed.",
  async run(context, { options, positionals }) {
    const [program, ...args] = positionals;
    if (program === undefined) {
      throw new KelpieError("usage", "There is no command to run", {
        help: "For example: kelpie run -- uname -a",
      });
    }
    const timeoutMs = options.timeout === undefined ? undefined : 1000 * parseSeconds(options.timeout);
    const described = await describeSandbox(context, options);
    return await runGuestCommand(context, {
      ...described,
      attachments: await openAttachments(context, options, options["net-log"]),
      announceAttachments: isLeftToUs(options),
      request: {
        argv: [program, ...args],
        stdin: context.terminal.stdin,
        ...(options.workspace === undefined ? {} : { cwd: workspaceTarget }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      },
      timing: options.timing,
    });
  },
});
