// kelpie images pull

import { parseReference } from "@kelpie/images";
import { architectureOf } from "../architecture.ts";
import { archOption, onlyPositional } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesPullJson } from "../json/images-pull.ts";
import { printJson } from "../output/json.ts";
import { storedImageJson } from "../output/stored-image.ts";
import { pull } from "../transfer.ts";

export const imagesPull = command({
  positionals: "REFERENCE",
  options: {
    arch: archOption,
  },
  json: () => import("../json/images-pull.ts"),
  details:
    "REFERENCE is host/name:tag or host/name@digest. The image appears in the store whole and verified, or not at all; a\npull that was interrupted goes on where it was.",
  async run(context, { options, positionals, json }) {
    const example = "kelpie images pull ghcr.io/your-org/kelpie-base:1.0.0-20260115-a3f4d21";
    const text = onlyPositional(positionals, "one reference", example);
    const pulled = await pull(context, parseReference(text), architectureOf(context, options.arch));
    const { image, digest, wasThere, networkBytes } = pulled;
    const { terminal } = context;
    const stored = storedImageJson(image);
    if (json) printJson<ImagesPullJson>(terminal, { ...stored, digest, wasThere, networkBytes });
    else terminal.stdout.write(`${stored.version}\n`);
    return 0;
  },
});
