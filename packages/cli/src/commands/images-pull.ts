// kelpie images pull

import { formatImageVersion, parseReference } from "@kelpie/images";
import { architectureOf } from "../architecture.ts";
import { archOption, onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";
import { pull } from "../transfer.ts";

export const imagesPull = command({
  positionals: "REFERENCE",
  options: {
    arch: archOption,
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "REFERENCE is host/name:tag or host/name@digest. The image appears in the store whole and verified, or not at all; a\npull that was interrupted goes on where it was.",
  async run(context, { options, positionals }) {
    const example = "kelpie images pull ghcr.io/your-org/kelpie-base:1.0.0-20260115-a3f4d21";
    const text = onlyPositional(positionals, "one reference", example);
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
