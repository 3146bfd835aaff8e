// kelpie sandbox create

import { attachmentOptions } from "../attachment-options.ts";
import { command } from "../command.ts";
import { keepFrom, lifeOptions, makeSandbox, sandboxOptions } from "../sandbox-options.ts";

export const sandboxCreate = command({
  options: {
    ...sandboxOptions,
    ...lifeOptions,
    ...attachmentOptions,
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "Prints the sandbox's name. It lives on, without a daemon, until it is stopped, powers itself off or its time is over.\nThe idle timeout counts from the last command that was connected, to within an eighth of it.",
  async run(context, { options }) {
    await using sandbox = await makeSandbox(context, options, { keep: keepFrom(options), attached: options });
    const { id, name } = sandbox;
    context.terminal.stdout.write(options.json === true ? `${JSON.stringify({ id, name })}\n` : `${name}\n`);
    return 0;
  },
});
