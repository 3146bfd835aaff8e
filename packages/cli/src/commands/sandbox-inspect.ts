// kelpie sandbox inspect

import { command } from "../command.ts";
import { sandboxJson } from "../output/sandbox-view.ts";
import { namedSandboxes } from "../sandbox-reference.ts";

export const sandboxInspect = command({
  positionals: "SANDBOX…",
  options: { json: { type: "boolean", help: "Print JSON, as without it" } },
  async run(context, { positionals }) {
    const found = await namedSandboxes(context, positionals, "kelpie sandbox inspect brave-kelpie");
    const shown =
      found.length === 1 && found[0] !== undefined ? sandboxJson(found[0]) : found.map(sandboxJson);
    context.terminal.stdout.write(`${JSON.stringify(shown, undefined, 2)}\n`);
    return 0;
  },
});
