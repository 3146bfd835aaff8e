// kelpie shell

import { workspaceTarget } from "@kelpie/sandbox";
import { attachmentOptions } from "../attachment-options.ts";
import { command } from "../command.ts";
import { execIn, isInteractive, shellRequest } from "../sandbox-exec.ts";
import { makeSandbox, sandboxOptions } from "../sandbox-options.ts";

export const shell = command({
  options: { ...sandboxOptions, ...attachmentOptions },
  errorExitCode: 125,
  details: "With a workspace the shell starts in /workspace. When it ends, the sandbox is gone.",
  async run(context, { options }) {
    const { terminal, signal } = context;
    await using sandbox = await makeSandbox(context, options, { attached: options });
    const tty = isInteractive(terminal);
    const request =
      options.workspace === undefined ? shellRequest : { ...shellRequest, cwd: workspaceTarget };
    const code = await execIn(
      sandbox,
      terminal,
      request,
      { stdin: true, terminal: tty, detachKeys: false },
      signal,
    );
    for (const report of await sandbox.finish(signal)) terminal.stderr.write(`kelpie: ${report}\n`);
    return code;
  },
});
