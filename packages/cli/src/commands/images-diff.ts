// kelpie images diff

import { diffImages } from "@kelpie/images";
import { KelpieError } from "@kelpie/platform";
import { architectureOf } from "../architecture.ts";
import { archOption, chooseImage } from "../choose-image.ts";
import { command } from "../command.ts";
import { formatChanges } from "../output/changes.ts";

export const imagesDiff = command({
  positionals: "BEFORE AFTER",
  options: {
    arch: archOption,
    json: { type: "boolean", help: "Print JSON" },
  },
  details:
    "Compares metadata, packages, their licences and the crates of Kelpie's programs, the root file system's entries with their\ncontent (but not their times), the initrd's modules and the sizes. Exits with 0 where nothing differs, and with 1 where something does.",
  async run(context, { options, positionals }) {
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
    terminal.stdout.write(
      options.json === true
        ? `${JSON.stringify(found, undefined, 2)}\n`
        : formatChanges("metadata", metadata) +
            formatChanges("packages", packages) +
            formatChanges("components", components) +
            formatChanges("files", files) +
            formatChanges("modules", modules) +
            formatChanges("sizes", sizes),
    );
    const differs = Object.values(found).some((changes: readonly unknown[]) => changes.length > 0);
    return differs ? 1 : 0;
  },
});
