// kelpie sandbox pause

import { pauseSandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { forEachSandbox, namedSandboxes } from "../sandbox-reference.ts";

export const sandboxPause = command({
  positionals: "SANDBOX…",
  options: {},
  details: "Its processors stand still and take no time of this machine's; its memory stays.",
  async run(context, { positionals }) {
    const found = await namedSandboxes(context, positionals, "kelpie sandbox pause brave-kelpie");
    return await forEachSandbox(context, found, async (sandbox) => {
      await pauseSandbox(context.platform, sandbox);
      return sandbox.record.name;
    });
  },
});
