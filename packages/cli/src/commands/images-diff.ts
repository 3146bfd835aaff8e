// kelpie images diff

import { diffImages } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architectureOf } from "../architecture.ts";
import { archOption, chooseImage } from "../choose-image.ts";
import { command } from "../command.ts";
import type { ImagesDiffJson } from "../json/images-diff.ts";
import { printJson } from "../output/json.ts";
import { formatChanges } from "../output/changes.ts";

export const imagesDiff = command({
  positionals: "BEFORE AFTER",
  options: {
    arch: archOption,
  },
  json: () => import("../json/images-diff.ts"),
  details:
    "Compares metadata, packages, their licences and the crates of Kelpie's programs, the root file system's entries with their\ncontent (but not their times), the initrd's modules and the sizes. Exits with 0 where nothing differs, and with 1 where something does.",
  async run(context, { options, positionals, json }) {
    const { platform, terminal, home, signal } = context;
    const [before, after, ...others] = positionals;
    if (before === undefined || after === undefined || others.length > 0)
      throw new KelpieError("usage", "Two images are compared", { expected: "BEFORE AFTER" });
    const architecture = architectureOf(context, options.arch);
    const found = await diffImages(
      platform,
      home,
      await chooseImage(context, before, architecture),
      await chooseImage(context, after, architecture),
      signal,
    );
    const { metadata, packages, components, files, modules, sizes } = found;
    if (json) printJson<ImagesDiffJson>(terminal, found);
    else {
      terminal.stdout.write(
        formatChanges("metadata", metadata) +
          formatChanges("packages", packages) +
          formatChanges("components", components) +
          formatChanges("files", files) +
          formatChanges("modules", modules) +
          formatChanges("sizes", sizes),
      );
    }
    const differs = Object.values(found).some((changes: readonly unknown[]) => changes.length > 0);
    return differs ? 1 : 0;
  },
});
