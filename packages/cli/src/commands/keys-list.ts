// kelpie keys list

import { Keyring } from "@kelpie/images";
import { command } from "../command.ts";
import { formatTable } from "../output/table.ts";

export const keysList = command({
  options: { json: { type: "boolean", help: "Print JSON" } },
  async run({ platform, terminal, home }, { options }) {
    const keys = (await new Keyring(platform, home).list()).map(({ name, id, hasPrivateKey }) => ({
      name,
      id,
      hasPrivateKey,
    }));
    if (options.json === true) terminal.stdout.write(`${JSON.stringify({ keys }, undefined, 2)}\n`);
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
