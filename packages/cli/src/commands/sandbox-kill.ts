// kelpie sandbox kill

import { killSandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { forEachSandbox, namedSandboxes } from "../sandbox-reference.ts";

export const sandboxKill = command({
  positionals: "SANDBOX…",
  options: {},
  details: "At once, as pulling the plug does. `kelpie sandbox stop` asks first.",
  async run(context, { positionals }) {
    const found = await namedSandboxes(context, positionals, "kelpie sandbox kill brave-kelpie");
    return await forEachSandbox(context, found, async (sandbox) => {
      await killSandbox(context.platform, sandbox);
      return sandbox.record.name;
    });
  },
});
