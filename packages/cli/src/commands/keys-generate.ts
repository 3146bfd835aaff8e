// kelpie keys generate

import { Keyring } from "@kelpie/images";
import { onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";
import type { KeysGenerateJson } from "../json/keys-generate.ts";
import { printJson } from "../output/json.ts";
import { keyPassphrase } from "../signing.ts";

export const keysGenerate = command({
  positionals: "NAME",
  options: {},
  json: () => import("../json/keys-generate.ts"),
  details:
    "Makes an ed25519 key pair, KELPIE_HOME/keys/NAME.key and NAME.pub. KELPIE_KEY_PASSPHRASE, where it is set, encrypts the\nprivate key.",
  async run(context, { positionals, json }) {
    const name = onlyPositional(positionals, "the name of a new key", "kelpie keys generate release");
    const { id, pem } = await new Keyring(context.platform, context.home).generate(
      name,
      keyPassphrase(context),
    );
    if (json) printJson<KeysGenerateJson>(context.terminal, { name, id, pem });
    else context.terminal.stdout.write(`${id}\n`);
    return 0;
  },
});
