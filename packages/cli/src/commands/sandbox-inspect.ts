// kelpie sandbox inspect

import { readDescriptions } from "@kelpie/sandbox";
import { command } from "../command.ts";
import type { SandboxInspectJson } from "../json/sandbox-inspect.ts";
import { printJson } from "../output/json.ts";
import { sandboxJson } from "../output/sandbox-view.ts";
import { namedSandboxes } from "../sandbox-reference.ts";

export const sandboxInspect = command({
  positionals: "SANDBOX…",
  options: {},
  json: () => import("../json/sandbox-inspect.ts"),
  async run(context, { positionals }) {
    const found = await namedSandboxes(context, positionals, "kelpie sandbox inspect brave-kelpie");
    const all = await Promise.all(
      found.map(async (sandbox) => ({
        ...sandboxJson(sandbox),
        attachments: await readDescriptions(context.platform, sandbox.directory),
      })),
    );
    printJson<SandboxInspectJson>(context.terminal, { sandboxes: all });
    return 0;
  },
});
