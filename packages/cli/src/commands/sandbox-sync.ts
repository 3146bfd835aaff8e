// kelpie sandbox sync

import { Sandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { forEachSandbox, namedSandboxes } from "../sandbox-reference.ts";

export const sandboxSync = command({
  positionals: "SANDBOX…",
  options: {},
  json: () => import("../json/sandbox-actions.ts"),
  details:
    "For directories shared by `disk`, which `stop` brings home too; `kill` does not, nor the end of a ttl. What the host has\nchanged meanwhile stays, and the sandbox's version is put beside it (docs/workspace.md).",
  async run(context, { positionals, json }) {
    const { platform, home, signal } = context;
    const found = await namedSandboxes(context, positionals, "kelpie sandbox sync brave-kelpie");
    return await forEachSandbox(context, found, json, async ({ record }) => {
      await using sandbox = await Sandbox.open(record.id, { platform, home, signal });
      return await sandbox.finish(signal);
    });
  },
});
