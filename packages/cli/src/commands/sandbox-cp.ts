// kelpie sandbox cp

import { command } from "../command.ts";
import type { SandboxCpJson } from "../json/sandbox-cp.ts";
import { printJson } from "../output/json.ts";
import { parseBytes } from "../quantity.ts";
import { copyFiles } from "../sandbox-copy.ts";

export const sandboxCp = command({
  positionals: "SOURCE… DESTINATION",
  options: {
    owner: {
      type: "string",
      value: "UID:GID",
      help: "Whose the files are in the sandbox [default: as on this machine, yours root's]",
    },
    "max-size": {
      type: "string",
      value: "SIZE",
      help: "The most that is taken out of a sandbox for one source [default: 64G]",
    },
  },
  json: () => import("../json/sandbox-cp.ts"),
  details:
    "One side is SANDBOX:PATH. A destination that is a directory, ends with a slash or takes several sources is copied into.\nStandard input and output are -: a file's bytes, or a directory as a tar archive.\nWildcards of a path in a sandbox are expanded there: quote them. What comes out belongs to you and stays below the\ndestination, whatever the sandbox sends; devices, pipes and setuid bits stay behind.",
  async run(context, { options, positionals, json }) {
    const { owner } = options;
    const maxBytes = options["max-size"] === undefined ? undefined : parseBytes(options["max-size"]);
    const copied = await copyFiles(context, positionals, { owner, maxBytes });
    if (json && positionals.at(-1) !== "-") printJson<SandboxCpJson>(context.terminal, copied);
    return 0;
  },
});
