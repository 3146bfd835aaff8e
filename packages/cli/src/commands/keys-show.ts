// kelpie keys show

import { Keyring } from "@kelpie/images";
import { onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";

export const keysShow = command({
  positionals: "NAME",
  options: { json: { type: "boolean", help: "Print JSON" } },
  details: "Prints the public key, as others import it.",
  async run({ platform, terminal, home }, { options, positionals }) {
    const wanted = onlyPositional(positionals, "the name of a key", "kelpie keys show release");
    const { name, id, pem, hasPrivateKey } = await new Keyring(platform, home).get(wanted);
    const json = { name, id, hasPrivateKey, pem };
    terminal.stdout.write(options.json === true ? `${JSON.stringify(json, undefined, 2)}\n` : pem);
    return 0;
  },
});
