// kelpie keys import

import { Keyring } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { command } from "../command.ts";
import { keyPassphrase } from "../signing.ts";

const maxKeyBytes = 16 << 10;

export const keysImport = command({
  positionals: "NAME FILE",
  options: { json: { type: "boolean", help: "Print JSON" } },
  details:
    "FILE is an ed25519 key in PEM: somebody's public key, or a private key of one's own, which KELPIE_KEY_PASSPHRASE opens.",
  async run(context, { options, positionals: [name, path, ...more] }) {
    const { platform, terminal, home } = context;
    if (name === undefined || path === undefined || more.length > 0) {
      throw new KelpieError("usage", "Importing takes a name and a file", {
        help: "For example: kelpie keys import release release.pub",
      });
    }
    const pem = new TextDecoder().decode(await platform.files.readFile(path, maxKeyBytes));
    const { id, hasPrivateKey } = await new Keyring(platform, home).import(name, pem, keyPassphrase(context));
    const json = { name, id, hasPrivateKey };
    terminal.stdout.write(options.json === true ? `${JSON.stringify(json, undefined, 2)}\n` : `${id}\n`);
    return 0;
  },
});
