// kelpie sandbox list

import { listSandboxes } from "@kelpie/sandbox";
import { command } from "../command.ts";
import { sandboxJson, sandboxTable } from "../output/sandbox-view.ts";

export const sandboxList = command({
  options: {
    json: { type: "boolean", help: "Print JSON" },
    quiet: { type: "boolean", short: "q", help: "Print names only" },
  },
  details:
    "States: creating, running, paused, stopped (in order), failed (the start or the guest), lost (the host or the keeper went\naway under it).",
  async run({ platform, terminal, home }, { options }) {
    const entries = await listSandboxes(platform, home);
    if (options.json === true) {
      terminal.stdout.write(`${JSON.stringify({ sandboxes: entries.map(sandboxJson) }, undefined, 2)}\n`);
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
