// kelpie keys show

import { Keyring } from "@kelpie/images";
import { onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";
import type { KeysShowJson } from "../json/keys-show.ts";
import { printJson } from "../output/json.ts";

export const keysShow = command({
  positionals: "NAME",
  options: {},
  json: () => import("../json/keys-show.ts"),
  details: "Prints the public key, as others import it.",
  async run(context, { positionals, json }) {
    const wanted = onlyPositional(positionals, "the name of a key", "kelpie keys show release");
    const { name, id, pem, hasPrivateKey } = await new Keyring(context.platform, context.home).get(wanted);
    if (json) printJson<KeysShowJson>(context.terminal, { name, id, hasPrivateKey, pem });
    else context.terminal.stdout.write(pem);
    return 0;
  },
});
