// kelpie keys remove

import { Keyring } from "@kelpie/images";
import { onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";
import type { KeysRemoveJson } from "../json/keys-remove.ts";
import { printJson } from "../output/json.ts";

export const keysRemove = command({
  positionals: "NAME",
  options: {},
  json: () => import("../json/keys-remove.ts"),
  details:
    "Removes both halves. What was signed stays signed, and a trust policy that names the key refuses from then on.",
  async run({ platform, terminal, home }, { positionals, json }) {
    const name = onlyPositional(positionals, "the name of a key", "kelpie keys remove release");
    await new Keyring(platform, home).remove(name);
    if (json) printJson<KeysRemoveJson>(terminal, { name });
    else terminal.stderr.write(`Removed ${name}\n`);
    return 0;
  },
});
