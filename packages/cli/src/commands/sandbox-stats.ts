// kelpie sandbox stats

import { command } from "../command.ts";
import { parseSeconds } from "../quantity.ts";
import { printStats } from "../sandbox-stats.ts";

export const sandboxStats = command({
  positionals: "[SANDBOX…]",
  options: {
    watch: { type: "string", value: "TIME", help: "Print again and again, this far apart, until Ctrl-C" },
  },
  json: () => import("../json/sandbox-stats.ts"),
  details:
    "Of the sandboxes that are named, or of all that run: load, memory, root disk and processes as the guest says.\nExits with 0 where all of them answer.",
  async run(context, { options, positionals, json }) {
    const everyMs = options.watch === undefined ? undefined : 1000 * parseSeconds(options.watch);
    return await printStats(context, positionals, { everyMs, json });
  },
});
