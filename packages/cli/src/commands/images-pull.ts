// kelpie images pull

import { formatImageVersion, parseReference } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architectureOf } from "../build.ts";
import { command } from "../command.ts";
import { pull } from "../transfer.ts";

export const imagesPull = command({
  positionals: "REFERENCE",
  options: {
    arch: { type: "string", value: "ARCH", help: "amd64 or arm64 [default: this machine's]" },
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "REFERENCE is host/name:tag or host/name@digest. The image appears in the store whole and verified, or not at all; a\npull that was interrupted goes on where it was.",
  async run(context, { options, positionals: [text, ...more] }) {
    if (text === undefined || more.length > 0) {
      throw new KelpieError("usage", "Pulling takes one reference", {
        help: "For example: kelpie images pull ghcr.io/your-org/kelpie-base:1.0.0-20260115-a3f4d21",
      });
    }
    const pulled = await pull(context, parseReference(text), architectureOf(context, options.arch));
    const { image, digest, wasThere, networkBytes } = pulled;
    const version = formatImageVersion(image.version);
    const { architecture, directory } = image;
    const json = { version, architecture, directory, digest, wasThere, networkBytes };
    context.terminal.stdout.write(
      options.json === true ? `${JSON.stringify(json, undefined, 2)}\n` : `${version}\n`,
    );
    return 0;
  },
});
