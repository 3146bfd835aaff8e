// kelpie sandbox create

import { attachmentOptions } from "../attachment-options.ts";
import { command } from "../command.ts";
import type { SandboxCreateJson } from "../json/sandbox-create.ts";
import { printJson } from "../output/json.ts";
import { keepFrom, lifeOptions, makeSandbox, sandboxOptions } from "../sandbox-options.ts";

export const sandboxCreate = command({
  options: {
    ...sandboxOptions,
    ...lifeOptions,
    ...attachmentOptions,
  },
  json: () => import("../json/sandbox-create.ts"),
  details:
    "Prints the sandbox's name. It lives on, without a daemon, until it is stopped, powers itself off or its time is over.\nThe idle timeout counts from the last command that was connected, to within an eighth of it.",
  async run(context, { options, json }) {
    await using sandbox = await makeSandbox(context, options, { keep: keepFrom(options), attached: options });
    const { id, name } = sandbox;
    if (json) printJson<SandboxCreateJson>(context.terminal, { id, name });
    else context.terminal.stdout.write(`${name}\n`);
    return 0;
  },
});
