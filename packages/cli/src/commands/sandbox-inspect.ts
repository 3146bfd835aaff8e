// kelpie sandbox inspect

import { readDescriptions } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { sandboxJson } from "../output/sandbox-view.ts";
import { namedSandboxes } from "../sandbox-reference.ts";

export const sandboxInspect = command({
  positionals: "SANDBOX…",
  options: { json: { type: "boolean", help: "Print JSON, as without it" } },
  async run(context, { positionals }) {
    const found = await namedSandboxes(context, positionals, "kelpie sandbox inspect brave-kelpie");
    const all = await Promise.all(
      found.map(async (sandbox) => ({
        ...sandboxJson(sandbox),
        attachments: await readDescriptions(context.platform, sandbox.directory),
      })),
    );
    const shown = all.length === 1 ? all[0] : all;
    context.terminal.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
    return 0;
  },
});
