// kelpie sandbox sync

import { Sandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { forEachSandbox, namedSandboxes } from "../sandbox-reference.ts";

export const sandboxSync = command({
  positionals: "SANDBOX…",
  options: {},
  details:
    "For directories shared by `disk`, which `stop` brings home too; `kill` does not, nor the end of a ttl. What the host has\nchanged meanwhile stays, and the sandbox's version is put beside it (docs/workspace.md).",
  async run(context, { positionals }) {
    const { platform, terminal, home, signal } = context;
    const found = await namedSandboxes(context, positionals, "kelpie sandbox sync brave-kelpie");
    return await forEachSandbox(context, found, async ({ record }) => {
      await using sandbox = await Sandbox.open(record.id, { platform, home, signal });
      for (const report of await sandbox.finish(signal)) terminal.stderr.write(`kelpie: ${report}\n`);
      return record.name;
    });
  },
});
