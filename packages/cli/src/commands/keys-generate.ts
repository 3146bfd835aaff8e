// kelpie keys generate

import { Keyring } from "@kelpie/images";
import { onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";
import { keyPassphrase } from "../signing.ts";

export const keysGenerate = command({
  positionals: "NAME",
  options: { json: { type: "boolean", help: "Print JSON" } },
  details:
    "Makes an ed25519 key pair, KELPIE_HOME/keys/NAME.key and NAME.pub. KELPIE_KEY_PASSPHRASE, where it is set, encrypts the\nprivate key.",
  async run(context, { options, positionals }) {
    const name = onlyPositional(positionals, "the name of a new key", "kelpie keys generate release");
    const { id, pem } = await new Keyring(context.platform, context.home).generate(
      name,
      keyPassphrase(context),
    );
    const { stdout } = context.terminal;
    stdout.write(options.json === true ? `${JSON.stringify({ name, id, pem }, undefined, 2)}\n` : `${id}\n`);
    return 0;
  },
});
