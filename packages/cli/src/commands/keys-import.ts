// kelpie keys import

import { Keyring } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { command } from "../command.ts";
import type { KeysImportJson } from "../json/keys-import.ts";
import { printJson } from "../output/json.ts";
import { keyPassphrase } from "../signing.ts";

const maxKeyBytes = 16 << 10;

export const keysImport = command({
  positionals: "NAME FILE",
  options: {},
  json: () => import("../json/keys-import.ts"),
  details:
    "FILE is an ed25519 key in PEM: somebody's public key, or a private key of one's own, which KELPIE_KEY_PASSPHRASE opens.",
  async run(context, { positionals: [name, path, ...more], json }) {
    const { platform, terminal, home } = context;
    if (name === undefined || path === undefined || more.length > 0) {
      throw new KelpieError("usage", "Importing takes a name and a file", {
        help: "For example: kelpie keys import release release.pub",
      });
    }
    const pem = new TextDecoder().decode(await platform.files.readFile(path, maxKeyBytes));
    const { id, hasPrivateKey } = await new Keyring(platform, home).import(name, pem, keyPassphrase(context));
    if (json) printJson<KeysImportJson>(terminal, { name, id, hasPrivateKey });
    else terminal.stdout.write(`${id}\n`);
    return 0;
  },
});
