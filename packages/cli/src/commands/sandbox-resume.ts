// kelpie sandbox resume

import { resumeSandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { forEachSandbox, namedSandboxes } from "../sandbox-reference.ts";

export const sandboxResume = command({
  positionals: "SANDBOX…",
  options: {},
  async run(context, { positionals }) {
    const found = await namedSandboxes(context, positionals, "kelpie sandbox resume brave-kelpie");
    return await forEachSandbox(context, found, async (sandbox) => {
      await resumeSandbox(context.platform, sandbox);
      return sandbox.record.name;
    });
  },
});
