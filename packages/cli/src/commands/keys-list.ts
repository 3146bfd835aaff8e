// kelpie keys list

import { Keyring } from "@kelpie/images";
import { command } from "../command.ts";
import type { KeysListJson } from "../json/keys-list.ts";
import { printJson } from "../output/json.ts";
import { formatTable } from "../output/table.ts";

export const keysList = command({
  options: {},
  json: () => import("../json/keys-list.ts"),
  async run({ platform, terminal, home }, { json }) {
    const keys = (await new Keyring(platform, home).list()).map(({ name, id, hasPrivateKey }) => ({
      name,
      id,
      hasPrivateKey,
    }));
    if (json) printJson<KeysListJson>(terminal, { keys });
    else if (keys.length === 0)
      terminal.stderr.write("There are no keys yet. `kelpie keys generate NAME` makes one.\n");
    else {
      const rows = keys.map(({ name, id, hasPrivateKey }) => [
        name,
        hasPrivateKey ? "sign, check" : "check",
        id,
      ]);
      terminal.stdout.write(formatTable(["NAME", "CAN", "ID"], rows));
    }
    return 0;
  },
});
