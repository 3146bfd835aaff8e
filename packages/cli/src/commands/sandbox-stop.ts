// kelpie sandbox stop

import { stopSandbox } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { parseSeconds } from "../quantity.ts";
import { forEachSandbox, namedSandboxes } from "../sandbox-reference.ts";

const defaultGraceSeconds = "10";

export const sandboxStop = command({
  positionals: "SANDBOX…",
  options: {
    grace: {
      type: "string",
      value: "TIME",
      help: "How long it has to power off before it is killed [default: 10s]",
    },
  },
  json: () => import("../json/sandbox-actions.ts"),
  details: "What it was stays to be looked at: `kelpie sandbox rm` removes that.",
  async run(context, { options, positionals, json }) {
    const { platform, home, signal } = context;
    const graceMs = 1000 * parseSeconds(options.grace ?? defaultGraceSeconds);
    const found = await namedSandboxes(context, positionals, "kelpie sandbox stop brave-kelpie");
    return await forEachSandbox(context, found, json, async (sandbox) => {
      const { reports } = await stopSandbox(platform, sandbox, { home, graceMs, signal });
      return reports;
    });
  },
});
