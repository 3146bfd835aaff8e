// kelpie sandbox gc

import { collectGarbage } from "@kelpie/sandbox";
import { command } from "../command.ts";
import type { SandboxGcJson } from "../json/sandbox-gc.ts";
import { printJson } from "../output/json.ts";

export const sandboxGc = command({
  options: {
    "dry-run": { type: "boolean", help: "Only say what would go" },
  },
  json: () => import("../json/sandbox-gc.ts"),
  details:
    "Removes what no longer lives: stopped, failed and lost sandboxes, those past their time to live, and what commands that\nwere killed have left.",
  async run({ platform, terminal, home }, { options, json }) {
    const isDry = options["dry-run"] === true;
    const garbage = await collectGarbage(platform, home, isDry);
    if (json) {
      printJson<SandboxGcJson>(terminal, { removed: !isDry, sandboxes: garbage });
      return 0;
    }
    for (const { id, name, reason } of garbage) terminal.stdout.write(`${name ?? id}  ${reason}\n`);
    if (garbage.length === 0) terminal.stderr.write("There is nothing to remove.\n");
    return 0;
  },
});
