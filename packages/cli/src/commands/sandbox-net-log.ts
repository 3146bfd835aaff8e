// kelpie sandbox net-log

import { command } from "../command.ts";
import { printNetworkLog } from "../output/network-log.ts";
import { firstWord, namedSandboxes } from "../sandbox-reference.ts";

export const sandboxNetLog = command({
  positionals: "SANDBOX",
  options: {},
  json: () => import("../json/sandbox-net-log.ts"),
  details:
    "Of a sandbox with --net allow=: every connection, every denial, and every name that was asked for in vain.\nThe fields are in docs/network.md.",
  async run(context, { positionals, json }) {
    const [reference] = firstWord(positionals, "kelpie sandbox net-log brave-kelpie");
    for (const { directory } of await namedSandboxes(context, [reference], ""))
      await printNetworkLog(context, directory, json);
    return 0;
  },
});
