// kelpie sandbox rm

import { KelpieError } from "@kelpie/platform";
import { isLive, removeSandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { forEachSandbox, removableSandboxes } from "../sandbox-reference.ts";

export const sandboxRm = command({
  positionals: "SANDBOX…",
  options: { force: { type: "boolean", short: "f", help: "Kill one that runs first" } },
  json: () => import("../json/sandbox-actions.ts"),
  async run(context, { options, positionals, json }) {
    const found = await removableSandboxes(context, positionals, "kelpie sandbox rm brave-kelpie");
    return await forEachSandbox(context, found, json, async (sandbox) => {
      const name = sandbox.record?.name ?? sandbox.id;
      if (isLive(sandbox.state) && options.force !== true) {
        throw new KelpieError("in-use", `Sandbox ${name} still runs`, {
          found: sandbox.state.kind,
          help: `Stop it first, or: kelpie sandbox rm --force ${name}`,
        });
      }
      await removeSandbox(context.platform, sandbox);
      return undefined;
    });
  },
});
