// kelpie sandbox gc

import { collectGarbage } from "@kelpie/sandbox";
import { command } from "../command.ts";

export const sandboxGc = command({
  options: {
    "dry-run": { type: "boolean", help: "Only say what would go" },
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "Removes what no longer lives: stopped, failed and lost sandboxes, those past their time to live, and what commands that\nwere killed have left.",
  async run({ platform, terminal, home }, { options }) {
    const isDry = options["dry-run"] === true;
    const garbage = await collectGarbage(platform, home, isDry);
    if (options.json === true) {
      terminal.stdout.write(`${JSON.stringify({ removed: !isDry, sandboxes: garbage }, undefined, 2)}\n`);
      return 0;
    }
    for (const { id, name, reason } of garbage) terminal.stdout.write(`${name ?? id}  ${reason}\n`);
    if (garbage.length === 0) terminal.stderr.write("There is nothing to remove.\n");
    return 0;
  },
});
