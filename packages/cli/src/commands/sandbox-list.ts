// kelpie sandbox list

import { listSandboxes } from "@kelpie/sandbox";
import { command } from "../command.ts";
import type { SandboxListJson } from "../json/sandbox-list.ts";
import { printJson } from "../output/json.ts";
import { sandboxJson, sandboxTable } from "../output/sandbox-view.ts";

export const sandboxList = command({
  options: {
    quiet: { type: "boolean", short: "q", help: "Print names only" },
  },
  json: () => import("../json/sandbox-list.ts"),
  details:
    "States: creating, running, paused, stopped (in order), failed (the start or the guest), lost (the host or the keeper went\naway under it).",
  async run({ platform, terminal, home }, { options, json }) {
    const entries = await listSandboxes(platform, home);
    if (json) {
      printJson<SandboxListJson>(terminal, { sandboxes: entries.map(sandboxJson) });
    } else if (options.quiet === true) {
      for (const { id, record } of entries) terminal.stdout.write(`${record?.name ?? id}\n`);
    } else if (entries.length === 0) {
      terminal.stderr.write("There are no sandboxes. `kelpie sandbox create` makes one.\n");
    } else {
      terminal.stdout.write(sandboxTable(entries, platform.clock.nowMs()));
    }
    return 0;
  },
});
